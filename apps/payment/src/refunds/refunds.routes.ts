import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { answerResponse, requestKey } from "../idempotency/idempotency.ts";
import { prefersAsync } from "../idempotency/prefer.ts";
import { type CreateRefund, createRefund } from "./create-refund.ts";
import { listRefundsOf, type ReadRefunds, readRefund } from "./read-refunds.ts";
import {
  CreateRefundBody,
  createRefundFields,
  ListRefundsQuery,
  RefundPage,
  RefundResponse,
  refundResponse,
} from "./refunds.contract.ts";

const Params = Type.Object({ id: Type.String() }, { additionalProperties: false });

export const refundRoutes = (http: Http, deps: CreateRefund & ReadRefunds) =>
  http
    .routes("refunds")
    .post(
      "/payments/:id/refunds",
      async ({ tenant, request, params, body }) => {
        // By the id and not as it was written: an escaped spelling of the same path is the same request.
        const path = `/payments/${params.id}/refunds`;
        const header = request.headers.get("idempotency-key");
        const key = requestKey(tenant, path, header, body, createRefundFields);
        const isAsync = prefersAsync(request.headers);
        const made = await createRefund(deps, tenant, { paymentId: params.id, body, key, isAsync });
        return answerResponse(made.answer, made.isReplay);
      },
      {
        access: "refunds:write",
        params: Params,
        body: CreateRefundBody,
        detail: operation({
          summary: "Give captured money back, in full or in part",
          responses: { 201: RefundResponse, 202: RefundResponse },
          problems: [
            "idempotency_key_required",
            "idempotency_key_reused",
            "idempotency_in_progress",
            "not_found",
            "invalid_state",
            "refund_exceeds_captured",
          ],
          isIdempotent: true,
        }),
      },
    )
    .get(
      "/payments/:id/refunds",
      ({ tenant, params, query }) => listRefundsOf(deps, tenant, params.id, query),
      {
        access: "payments:read",
        params: Params,
        query: ListRefundsQuery,
        detail: operation({
          summary: "List a payment's refunds, newest first",
          responses: { 200: RefundPage },
          problems: ["not_found", "invalid_cursor"],
        }),
      },
    )
    .get(
      "/refunds/:id",
      async ({ tenant, params }) => refundResponse(await readRefund(deps, tenant, params.id)),
      {
        access: "payments:read",
        params: Params,
        detail: operation({
          summary: "Read a refund",
          responses: { 200: RefundResponse },
          problems: ["not_found"],
        }),
      },
    );
