import type { EventEnvelope } from "@payflow/contracts/events.ts";

/** What processors owe us, what we owe the tenant, what we earned, and what nobody could yet assign. */
export const accounts = ["processor_clearing", "tenant_payable", "fee_revenue", "suspense"] as const;
export type Account = (typeof accounts)[number];

export const transferTypes = ["capture", "refund"] as const;
export type TransferType = (typeof transferTypes)[number];

/**
 * The side on which an account grows: an asset's balance is debits less credits, a liability's the reverse.
 */
export function normalSide(account: Account): "debit" | "credit" {
  return account === "processor_clearing" ? "debit" : "credit";
}

/** The account debited and the account credited by each type of movement; a refund is a capture reversed. */
export const sides = {
  capture: { debit: "processor_clearing", credit: "tenant_payable" },
  refund: { debit: "tenant_payable", credit: "processor_clearing" },
} as const satisfies Record<TransferType, { debit: Account; credit: Account }>;

/**
 * What one event says about the journal. `amountMinor` of 0 books nothing; it is still held against the
 * journal, so that an event told twice with different content comes to light.
 */
export interface Posting {
  readonly eventId: string;
  readonly type: TransferType;
  readonly tenantId: string;
  readonly mode: "live" | "test";
  readonly currency: string;
  readonly amountMinor: number;
  readonly paymentId: string;
  readonly refundId: string | null;
  readonly effectiveAt: string;
}

/** The movement of a settled payment: what was captured, whatever state it ended in. */
export function captureOf(event: EventEnvelope<"payment.settled">): Posting {
  return {
    eventId: event.event_id,
    type: "capture",
    tenantId: event.tenant_id,
    mode: event.mode,
    currency: event.data.currency,
    amountMinor: event.data.amount_captured,
    paymentId: event.data.payment_id,
    refundId: null,
    effectiveAt: event.data.settled_at,
  };
}

/** The movement of a settled refund; a failed one moved nothing. */
export function refundOf(event: EventEnvelope<"refund.settled">): Posting {
  return {
    eventId: event.event_id,
    type: "refund",
    tenantId: event.tenant_id,
    mode: event.mode,
    currency: event.data.currency,
    amountMinor: event.data.status === "succeeded" ? event.data.amount : 0,
    paymentId: event.data.payment_id,
    refundId: event.data.refund_id,
    effectiveAt: event.data.settled_at,
  };
}
