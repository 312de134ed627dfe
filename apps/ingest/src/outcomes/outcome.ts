import { createHash } from "node:crypto";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { toAcceptedEvent } from "../events/canonical.ts";
import { type AcceptedEvent, instantOf, isEvent, type PaymentExhaust } from "../events/event.ts";

/** The only processor that there is; once payments tell theirs, events of the bus will carry its name. */
const processor = "payflow_simulated";

/**
 * How a payment ended, as an event of the tenant's. A payment that was blocked or given up is no failure of
 * the processor's, so that only what the processor refused has a category.
 */
export function paymentOutcome(envelope: EventEnvelope<"payment.settled">): AcceptedEvent {
  const { status, error, amount, currency, payment_id: paymentId, settled_at: settledAt } = envelope.data;
  return outcome(envelope, {
    ...common(envelope, paymentId, settledAt),
    event_type: `payment_${status}`,
    ...(status === "failed" ? failure(error) : {}),
    ...(status === "flagged" ? { failure_origin: "fraud" } : {}),
    amount_bucket: amountBucket(amount, currency),
  });
}

/** How a refund ended, as an event of the tenant's. */
export function refundOutcome(envelope: EventEnvelope<"refund.settled">): AcceptedEvent {
  const { status, error, amount, currency, payment_id: paymentId, settled_at: settledAt } = envelope.data;
  return outcome(envelope, {
    ...common(envelope, paymentId, settledAt),
    event_type: `refund_${status}`,
    ...(status === "failed" ? failure(error) : {}),
    amount_bucket: amountBucket(amount, currency),
  });
}

function outcome({ tenant_id: tenantId, mode }: EventEnvelope, event: PaymentExhaust): AcceptedEvent {
  const instant = instantOf(event.event_timestamp);
  if (!isEvent(event) || instant === null) throw new Error("the outcome of a payment makes no event");
  return toAcceptedEvent({ tenantId, mode }, event, instant);
}

function common({ event_id, tenant_id: tenantId }: EventEnvelope, paymentId: string, settledAt: string) {
  return {
    event_timestamp: settledAt,
    // An event of the bus that comes again has the same id, and so is a duplicate here.
    event_id,
    merchant_id_hash: sha256(tenantId),
    payment_intent_id_hash: sha256(paymentId),
    processor,
    system_source: "payflow",
  };
}

function failure(error: { readonly code: string } | null) {
  return { failure_category: error?.code.slice(0, 100) ?? "unknown", failure_origin: "processor" };
}

/** The power of ten that an amount in minor units lies in: `INR 1000-9999`. */
function amountBucket(amount: number, currency: string): string {
  const low = 10 ** (String(amount).length - 1);
  return amount === 0 ? `${currency} 0` : `${currency} ${low}-${low * 10 - 1}`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
