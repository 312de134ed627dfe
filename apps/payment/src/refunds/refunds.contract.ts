import { Amount, Currency, nullable, oneOf, Reason, Timestamp } from "@payflow/contracts/fields.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import { type RefundRow, refundStatuses } from "../schema.ts";

export const CreateRefundBody = Type.Object(
  {
    amount: Type.Optional({ ...Amount, description: "Minor units; all that is left when left out." }),
    reason: Type.Optional(Reason),
  },
  { additionalProperties: false },
);
export type CreateRefundBody = Static<typeof CreateRefundBody>;

/** The body's fields in the order of their fingerprints: append only. */
export const createRefundFields = ["amount", "reason"] as const;

export const RefundResponse = Type.Object({
  refund_id: Type.String(),
  payment_id: Type.String(),
  amount: Amount,
  currency: Currency,
  status: oneOf(refundStatuses),
  reason: nullable(Type.String()),
  error: nullable(Type.Object({ code: Type.String(), message: Type.String() })),
  created_at: Timestamp,
});
export type RefundResponse = Static<typeof RefundResponse>;

export const RefundPage = Type.Object({
  data: Type.Array(RefundResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

export const ListRefundsQuery = Type.Object(pageQuery, { additionalProperties: false });

/** A refund as callers see it. */
export function refundResponse(refund: RefundRow): RefundResponse {
  return {
    refund_id: refund.id,
    payment_id: refund.paymentId,
    amount: refund.amount,
    currency: refund.currency,
    status: refund.status,
    reason: refund.reason,
    error: refund.errorCode === null ? null : { code: refund.errorCode, message: refund.errorMessage ?? "" },
    created_at: refund.createdAt.toISOString(),
  };
}
