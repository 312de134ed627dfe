import { nullable } from "@payflow/contracts/fields.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { answerResponse, requestKey } from "../idempotency/idempotency.ts";
import { prefersAsync } from "../idempotency/prefer.ts";
import { type CreatePayment, createPayment } from "./create-payment.ts";
import {
  CreatePaymentBody,
  createPaymentFields,
  ListPaymentsQuery,
  PaymentResponse,
} from "./payments.contract.ts";
import { getPayment, listPayments, type ReadPayments } from "./read-payments.ts";

const Params = Type.Object({ id: Type.String() }, { additionalProperties: false });

const PaymentPage = Type.Object({
  data: Type.Array(PaymentResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

export const paymentRoutes = (http: Http, deps: CreatePayment & ReadPayments) =>
  http
    .routes("payments")
    .post(
      "/payments",
      async ({ tenant, body, request }) => {
        const header = request.headers.get("idempotency-key");
        const key = requestKey(tenant, "/payments", header, body, createPaymentFields);
        const isAsync = prefersAsync(request.headers);
        const { answer, isReplay } = await createPayment(deps, tenant, { body, key, isAsync });
        return answerResponse(answer, isReplay);
      },
      {
        access: "payments:write",
        body: CreatePaymentBody,
        detail: operation({
          summary: "Take a payment",
          description:
            "402 carries the payment itself, which was declined or blocked. 202 when the processor's answer is " +
            "late, or at once with `Prefer: respond-async`; repeat with the same key for the outcome.",
          responses: { 201: PaymentResponse, 202: PaymentResponse, 402: PaymentResponse },
          problems: [
            "idempotency_key_required",
            "idempotency_key_reused",
            "idempotency_in_progress",
            "amount_over_limit",
          ],
          isIdempotent: true,
        }),
      },
    )
    .get("/payments/:id", ({ tenant, params }) => getPayment(deps, tenant, params.id), {
      access: "payments:read",
      params: Params,
      detail: operation({ summary: "One payment", responses: { 200: PaymentResponse } }),
    })
    .get("/payments", ({ tenant, query }) => listPayments(deps, tenant, query), {
      access: "payments:read",
      query: ListPaymentsQuery,
      detail: operation({
        summary: "Payments, newest first",
        responses: { 200: PaymentPage },
        problems: ["invalid_cursor"],
      }),
    });
