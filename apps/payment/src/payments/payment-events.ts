import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { PaymentRow } from "../schema.ts";
import { errorOf } from "./payments.contract.ts";

/** Who caused an event. */
export interface EventCause {
  readonly requestId: string | null;
  readonly traceparent?: string | undefined;
}

/** Tells of a new payment. */
export function paymentCreated(row: PaymentRow, cause: EventCause): EventEnvelope<"payment.created"> {
  const createdAt = row.createdAt.toISOString();
  return {
    ...envelope("payment.created", row, cause, createdAt),
    data: {
      payment_id: row.id,
      amount: row.amount,
      currency: row.currency,
      status: "processing",
      capture_method: row.captureMethod,
      description: row.description,
      customer_id: row.customerId,
      card_fingerprint: row.cardFingerprint,
      ip: row.ip,
      created_at: createdAt,
    },
  };
}

/** Tells that money is set aside, for a capture or for a review. The row is as after the change. */
function paymentAuthorized(row: PaymentRow, cause: EventCause): EventEnvelope<"payment.authorized"> {
  if (row.status !== "authorized" && row.status !== "flagged") throw notIn(row, "authorized");
  const authorizedAt = row.updatedAt.toISOString();
  return {
    ...envelope("payment.authorized", row, cause, authorizedAt),
    data: {
      payment_id: row.id,
      amount: row.amount,
      currency: row.currency,
      status: row.status,
      scoring: { decision: row.fraudDecision, source: row.scoringSource },
      authorized_at: authorizedAt,
    },
  };
}

/** Tells how a payment ended; exactly one for each payment. The row is as after the change. */
export function paymentSettled(row: PaymentRow, cause: EventCause): EventEnvelope<"payment.settled"> {
  const { status, settledAt } = row;
  if (settledAt === null || status === "processing" || status === "authorized") throw notIn(row, "final");
  return {
    ...envelope("payment.settled", row, cause, settledAt.toISOString()),
    data: {
      payment_id: row.id,
      amount: row.amount,
      currency: row.currency,
      status,
      amount_captured: row.amountCaptured,
      error: errorOf(row),
      customer_id: row.customerId,
      card_fingerprint: row.cardFingerprint,
      scoring: { decision: row.fraudDecision, source: row.scoringSource },
      settled_at: settledAt.toISOString(),
    },
  };
}

/** The event of a payment's new state: settled where that is final, authorized otherwise. */
export function stateEvent(row: PaymentRow, cause: EventCause): EventEnvelope {
  return row.settledAt === null ? paymentAuthorized(row, cause) : paymentSettled(row, cause);
}

function envelope<T extends Topic>(type: T, row: PaymentRow, cause: EventCause, occurredAt: string) {
  return {
    event_id: newId("evt"),
    type,
    version: 1 as const,
    tenant_id: row.tenantId,
    mode: row.mode,
    key: row.id,
    sequence: row.sequence,
    occurred_at: occurredAt,
    request_id: cause.requestId,
    ...(cause.traceparent === undefined ? {} : { traceparent: cause.traceparent }),
  };
}

function notIn(row: PaymentRow, state: string): Error {
  return new Error(`payment ${row.id} is ${row.status}, not ${state}`);
}
