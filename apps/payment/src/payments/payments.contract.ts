import {
  Amount,
  CallerId,
  Currency,
  Description,
  IpAddress,
  Metadata,
  nullable,
  oneOf,
  Timestamp,
  text,
} from "@payflow/contracts/fields.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import type { StoredAnswer } from "../idempotency/idempotency.ts";
import type { PaymentRow } from "../schema.ts";
import { rulesOf } from "./conclude.ts";
import { captureMethods, decisions, paymentStatuses } from "./payment.ts";

const strict = { additionalProperties: false };

const paymentMethodDescription =
  "A token of the processor's; `pm_card_ok` when left out. The simulated processor declines " +
  "`pm_card_insufficient_funds`, `pm_card_declined`, `pm_card_do_not_honor`, `pm_card_expired` and " +
  "`pm_card_invalid_cvv`, accepts nine of ten `pm_card_random`, needs 2 s for `pm_card_slow`, loses " +
  "its answer with `pm_card_timeout_then_succeeded` and `pm_card_timeout_then_failed`, and refuses " +
  "refunds of `pm_card_refund_fails`.";

export const CreatePaymentBody = Type.Object(
  {
    amount: Amount,
    currency: Currency,
    description: Type.Optional(Description),
    metadata: Type.Optional(Metadata),
    payment_method: Type.Optional(text(255, paymentMethodDescription)),
    capture_method: Type.Optional(
      oneOf(captureMethods, "Whether the money is taken at once or by a capture; `automatic` when left out."),
    ),
    customer_id: Type.Optional(CallerId),
    card_fingerprint: Type.Optional(CallerId),
    ip: Type.Optional(IpAddress),
  },
  strict,
);
export type CreatePaymentBody = Static<typeof CreatePaymentBody>;

/** The body's fields as idempotency remembers them: append only. */
export const createPaymentFields = [
  "amount",
  "currency",
  "description",
  "metadata",
  "payment_method",
  "capture_method",
  "customer_id",
  "card_fingerprint",
  "ip",
] as const satisfies readonly (keyof CreatePaymentBody)[];

export const ListPaymentsQuery = Type.Object(
  {
    ...pageQuery,
    status: Type.Optional(oneOf(paymentStatuses, "Only payments in this state.")),
    created_gte: Type.Optional(Timestamp),
    created_lt: Type.Optional(Timestamp),
  },
  strict,
);
export type ListPaymentsQuery = Static<typeof ListPaymentsQuery>;

export const PaymentResponse = Type.Object({
  payment_id: Type.String(),
  tenant_id: Type.String(),
  mode: oneOf(["live", "test"]),
  amount: Amount,
  amount_captured: Type.Integer({ minimum: 0 }),
  amount_refunded: Type.Integer({ minimum: 0, description: "By refunds that succeeded." }),
  currency: Currency,
  status: oneOf(paymentStatuses),
  description: nullable(Type.String()),
  metadata: Type.Record(Type.String(), Type.String()),
  payment_method: Type.String(),
  capture_method: oneOf(captureMethods),
  customer_id: nullable(Type.String()),
  error: nullable(Type.Object({ code: Type.String(), message: Type.String() })),
  fraud: Type.Object({
    decision: nullable(oneOf(decisions)),
    score: nullable(Type.Integer({ minimum: 0, maximum: 100 })),
    rules: Type.Array(Type.String(), {
      description: "The rules that triggered; `fail_mode` where nobody could score the payment in time.",
    }),
    late_flag: Type.Boolean({ description: "Whether fraud raised a flag after the payment was charged." }),
  }),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type PaymentResponse = Static<typeof PaymentResponse>;

/** A payment as the API shows it. */
export function paymentResponse(row: PaymentRow): PaymentResponse {
  return {
    payment_id: row.id,
    tenant_id: row.tenantId,
    mode: row.mode,
    amount: row.amount,
    amount_captured: row.amountCaptured,
    amount_refunded: row.amountRefunded,
    currency: row.currency,
    status: row.status,
    description: row.description,
    metadata: row.metadata === null ? {} : JSON.parse(row.metadata),
    payment_method: row.paymentMethod,
    capture_method: row.captureMethod,
    customer_id: row.customerId,
    error: errorOf(row),
    fraud: {
      decision: row.fraudDecision,
      score: row.fraudScore,
      rules: rulesOf(row),
      late_flag: row.lateDecision !== null,
    },
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

/** Why the payment failed or was blocked; null otherwise. */
export function errorOf(row: PaymentRow): { code: string; message: string } | null {
  return row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage ?? "" };
}

/**
 * The answer to the request that made the payment: 202 while it is open, 402 when no money will come, else
 * 201.
 */
export function renderAnswer(row: PaymentRow): StoredAnswer {
  return { status: answerStatus(row), body: JSON.stringify(paymentResponse(row)) };
}

function answerStatus(row: PaymentRow): StoredAnswer["status"] {
  if (row.status === "processing") return 202;
  const isRefused = row.status === "failed" || (row.status === "flagged" && row.fraudDecision === "block");
  return isRefused ? 402 : 201;
}
