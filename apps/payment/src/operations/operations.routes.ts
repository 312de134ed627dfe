import type { TenantContext } from "@payflow/contracts/access.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { answerResponse, requestKey } from "../idempotency/idempotency.ts";
import { prefersAsync } from "../idempotency/prefer.ts";
import { PaymentResponse } from "../payments/payments.contract.ts";
import { type Operate, operate } from "./operate.ts";
import type { OperationKind } from "./operation.ts";
import {
  CaptureBody,
  captureFields,
  ReviewBody,
  reviewFields,
  VoidBody,
  voidFields,
} from "./operations.contract.ts";

const Params = Type.Object({ id: Type.String() }, { additionalProperties: false });
const responses = { 200: PaymentResponse, 202: PaymentResponse };
const problems = [
  "idempotency_key_required",
  "idempotency_key_reused",
  "idempotency_in_progress",
  "not_found",
  "invalid_state",
] as const;

interface Asked {
  readonly tenant: TenantContext;
  readonly request: Request;
  readonly params: { readonly id: string };
}

export const operationRoutes = (http: Http, deps: Operate) =>
  http
    .routes("operations")
    .post(
      "/payments/:id/capture",
      (asked) => answer(deps, asked, "capture", asked.body, captureFields, asked.body.amount),
      {
        access: "payments:write",
        params: Params,
        body: CaptureBody,
        detail: operation({
          summary: "Capture an authorized payment, in full or in part",
          description: "Happens once; what is not captured is released.",
          responses,
          problems: [...problems, "capture_exceeds_authorized"],
          isIdempotent: true,
        }),
      },
    )
    .post("/payments/:id/void", (asked) => answer(deps, asked, "void", asked.body, voidFields), {
      access: "payments:write",
      params: Params,
      body: VoidBody,
      detail: operation({
        summary: "Release an authorized payment without capturing it",
        responses,
        problems: [...problems],
        isIdempotent: true,
      }),
    })
    .post(
      "/payments/:id/review",
      (asked) => answer(deps, asked, asked.body.decision, asked.body, reviewFields),
      {
        access: "payments:write",
        params: Params,
        body: ReviewBody,
        detail: operation({
          summary: "Decide on a payment that is under review",
          responses,
          problems: [...problems],
          isIdempotent: true,
        }),
      },
    );

async function answer(
  deps: Operate,
  { tenant, request, params }: Asked,
  kind: OperationKind,
  body: Readonly<Record<string, unknown>>,
  fields: readonly string[],
  amount?: number,
): Promise<Response> {
  const action = kind === "approve" || kind === "reject" ? "review" : kind;
  // By the id and not as it was written: an escaped spelling of the same path is the same request.
  const path = `/payments/${params.id}/${action}`;
  const key = requestKey(tenant, path, request.headers.get("idempotency-key"), body, fields);
  const done = await operate(deps, tenant, {
    paymentId: params.id,
    kind,
    amount: amount ?? null,
    key,
    isAsync: prefersAsync(request.headers),
  });
  return answerResponse(done.answer, done.isReplay);
}
