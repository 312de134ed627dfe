import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";

const at = "2026-01-01T00:00:00.000Z";
const money = { amount: 500, currency: "INR" };
const scoring = { decision: "allow", source: "score" } as const;

const data = {
  "payment.created": (payment_id: string) => ({
    payment_id,
    ...money,
    status: "processing",
    capture_method: "automatic",
    description: null,
    customer_id: null,
    card_fingerprint: null,
    ip: null,
    created_at: at,
  }),
  "payment.settled": (payment_id: string) => ({
    payment_id,
    ...money,
    status: "succeeded",
    amount_captured: money.amount,
    error: null,
    customer_id: null,
    card_fingerprint: null,
    scoring,
    settled_at: at,
  }),
  "refund.settled": (payment_id: string) => ({
    refund_id: newId("ref"),
    payment_id,
    ...money,
    status: "succeeded",
    error: null,
    settled_at: at,
  }),
} as const;

/** The topics that test events can be made for. */
export type TestTopic = keyof typeof data & Topic;

/** A well-formed event; the number is its `sequence`. */
export function testEvent(topic: TestTopic, key: string, sequence: number): EventEnvelope {
  return {
    event_id: newId("evt"),
    type: topic,
    version: 1,
    tenant_id: "ten_01h0000000000000000000000t",
    mode: "test",
    key,
    sequence,
    occurred_at: at,
    request_id: null,
    // `checkEvent` holds the data to its topic when the event is published.
    data: data[topic](key) as EventEnvelope["data"],
  };
}

/** `count` events of each key, numbered from 1, the keys taking turns. */
export function testEvents(topic: TestTopic, keys: readonly string[], count: number): EventEnvelope[] {
  return Array.from({ length: count }, (_, index) =>
    keys.map((key) => testEvent(topic, key, index + 1)),
  ).flat();
}

/** Keys that occur in no other test. */
export function testKeys(count: number): string[] {
  return Array.from({ length: count }, () => newId("pay"));
}
