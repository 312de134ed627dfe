import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { PaymentRow, RefundRow } from "../schema.ts";

/** Tells that money was set aside for a refund. The payment is as the same transaction left it. */
export function refundInitiated(
  refund: RefundRow,
  payment: PaymentRow,
  traceparent?: string,
): EventEnvelope<"refund.initiated"> {
  return {
    ...envelope(refund, payment, traceparent),
    type: "refund.initiated",
    occurred_at: refund.createdAt.toISOString(),
    data: {
      refund_id: refund.id,
      payment_id: refund.paymentId,
      amount: refund.amount,
      currency: refund.currency,
      reason: refund.reason,
      initiated_at: refund.createdAt.toISOString(),
    },
  };
}

/** Tells what became of a refund. The payment is as the same transaction left it. */
export function refundSettled(
  refund: RefundRow,
  payment: PaymentRow,
  traceparent?: string,
): EventEnvelope<"refund.settled"> {
  if (refund.settledAt === null || refund.status === "processing") {
    throw new Error(`refund ${refund.id} is not settled`);
  }
  const settledAt = refund.settledAt.toISOString();
  return {
    ...envelope(refund, payment, traceparent),
    type: "refund.settled",
    occurred_at: settledAt,
    data: {
      refund_id: refund.id,
      payment_id: refund.paymentId,
      amount: refund.amount,
      currency: refund.currency,
      status: refund.status,
      error:
        refund.errorCode === null ? null : { code: refund.errorCode, message: refund.errorMessage ?? "" },
      settled_at: settledAt,
    },
  };
}

function envelope(refund: RefundRow, payment: PaymentRow, traceparent?: string) {
  return {
    event_id: newId("evt"),
    version: 1 as const,
    tenant_id: refund.tenantId,
    mode: refund.mode,
    key: refund.paymentId,
    sequence: payment.sequence,
    request_id: refund.requestId,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}
