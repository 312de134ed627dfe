import { createHash } from "node:crypto";

/** One event as a program of the shop's sends it. */
export type PaymentEvent = Readonly<Record<string, string | number>>;

/** Names are hashed before they leave the shop. */
const hash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** The shop as a merchant of its other processors. */
export const shopsMerchant = hash("chai.example");

/** What the shop's checkout tells of a payment at another processor that failed. */
export function failedPayment(eventId: string, changes: PaymentEvent = {}): PaymentEvent {
  return {
    event_type: "payment_failed",
    event_timestamp: new Date().toISOString(),
    event_id: eventId,
    merchant_id_hash: shopsMerchant,
    payment_intent_id_hash: hash(eventId),
    processor: "stripe",
    failure_category: "processor_timeout",
    retry_count: 1,
    geo_bucket: "IN",
    amount_bucket: "50-200",
    system_source: "checkout_api",
    payment_method_bucket: "credit_card",
    channel: "web",
    ...changes,
  };
}

/** What it tells of one that succeeded. */
export function succeededPayment(eventId: string, changes: PaymentEvent = {}): PaymentEvent {
  const { failure_category: _, ...event } = failedPayment(eventId, changes);
  return { ...event, event_type: "payment_succeeded", retry_count: 0 };
}

/** A CloudEvents envelope, as brokers and cloud functions send it; the event's id stands in the envelope. */
export function cloudEvent({ event_id: id, ...data }: PaymentEvent) {
  return {
    specversion: "1.0",
    id: `${id}`,
    source: "/checkout",
    type: "example.chai.payment",
    datacontenttype: "application/json",
    data,
  };
}

export const asLines = (events: readonly PaymentEvent[]) =>
  events.map((event) => JSON.stringify(event)).join("\n");
