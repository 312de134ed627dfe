import { expect, test } from "bun:test";
import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import { testMessage, toMessage } from "./message.ts";

const at = "2026-01-01T00:00:00.000Z";
const scoring = { decision: "allow", source: "score" };

const data: Readonly<Record<Topic, object>> = {
  "payment.created": {
    payment_id: "pay_1",
    amount: 5,
    currency: "EUR",
    status: "processing",
    capture_method: "automatic",
    description: null,
    customer_id: "customer",
    card_fingerprint: "fingerprint",
    ip: "192.0.2.1",
    created_at: at,
  },
  "payment.authorized": {
    payment_id: "pay_1",
    amount: 5,
    currency: "EUR",
    status: "authorized",
    scoring,
    authorized_at: at,
  },
  "payment.settled": {
    payment_id: "pay_1",
    amount: 5,
    currency: "EUR",
    status: "failed",
    amount_captured: 0,
    error: { code: "card_declined", message: "Declined." },
    customer_id: "customer",
    card_fingerprint: "fingerprint",
    scoring,
    settled_at: at,
  },
  "refund.initiated": {
    refund_id: "ref_1",
    payment_id: "pay_1",
    amount: 2,
    currency: "EUR",
    reason: "why",
    initiated_at: at,
  },
  "refund.settled": {
    refund_id: "ref_1",
    payment_id: "pay_1",
    amount: 2,
    currency: "EUR",
    status: "succeeded",
    error: null,
    settled_at: at,
  },
  "fraud.flagged": {
    payment_id: "pay_1",
    rule_triggered: "velocity_check",
    risk_score: 80,
    decision: "flag",
    late: false,
    refund: false,
    flagged_at: at,
  },
  "tenant.changed": { change: "updated", name: "n", status: "active", changed_at: at },
};

function eventOf(type: Topic): EventEnvelope {
  // The table above holds each topic's data.
  return {
    event_id: "evt_1",
    type,
    version: 1,
    tenant_id: "ten_1",
    mode: "live",
    key: "pay_1",
    sequence: 3,
    occurred_at: at,
    request_id: "req_1",
    data: data[type],
  } as EventEnvelope;
}

const head = { event_id: "evt_1", sequence: 3, payment_id: "pay_1", tenant_id: "ten_1", mode: "live" };

test.each([
  [
    "payment.created",
    { amount: 5, currency: "EUR", status: "processing", capture_method: "automatic", created_at: at },
  ],
  ["payment.authorized", { amount: 5, currency: "EUR", status: "authorized", authorized_at: at }],
  [
    "payment.settled",
    {
      amount: 5,
      amount_captured: 0,
      currency: "EUR",
      status: "failed",
      error: { code: "card_declined", message: "Declined." },
      settled_at: at,
    },
  ],
  ["refund.initiated", { refund_id: "ref_1", amount: 2, currency: "EUR", reason: "why", initiated_at: at }],
  ["refund.settled", { refund_id: "ref_1", amount: 2, currency: "EUR", status: "succeeded", settled_at: at }],
  ["fraud.flagged", { rule_triggered: "velocity_check", risk_score: 80, flagged_at: at }],
] as const)(
  "%s tells receivers what is documented, and nothing of customers, cards or scoring",
  (event, fields) => {
    const message = toMessage(eventOf(event));
    expect(message).toMatchObject({ tenantId: "ten_1", mode: "live", eventId: "evt_1", event });
    expect(JSON.parse(message?.body ?? "")).toEqual({ event, ...head, ...fields });
  },
);

test("what is not for receivers gives no message", () => {
  expect(toMessage(eventOf("tenant.changed"))).toBeNull();
});

test("a test message has the head of every message and names its endpoint", () => {
  const { body } = testMessage({ tenantId: "ten_1", mode: "test" }, "whe_1", "evt_9");
  expect(JSON.parse(body)).toEqual({
    event: "webhook.test",
    event_id: "evt_9",
    sequence: null,
    payment_id: null,
    tenant_id: "ten_1",
    mode: "test",
    endpoint_id: "whe_1",
  });
});
