import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { paymentOutcome, refundOutcome } from "./outcome.ts";

const settledAt = "2026-11-21T12:00:00.000Z";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const payment: EventEnvelope<"payment.settled"> = {
  event_id: "evt_1",
  type: "payment.settled",
  version: 1,
  tenant_id: "ten_1",
  mode: "test",
  key: "pay_1",
  sequence: 2,
  occurred_at: settledAt,
  request_id: null,
  data: {
    payment_id: "pay_1",
    amount: 1_200,
    currency: "INR",
    status: "succeeded",
    amount_captured: 1_200,
    error: null,
    customer_id: null,
    card_fingerprint: null,
    scoring: { decision: "allow", source: "score" },
    settled_at: settledAt,
  },
};

const refund: EventEnvelope<"refund.settled"> = {
  ...payment,
  type: "refund.settled",
  data: {
    refund_id: "ref_1",
    payment_id: "pay_1",
    amount: 99,
    currency: "INR",
    status: "succeeded",
    error: null,
    settled_at: settledAt,
  },
};

const declined = { code: "card_declined", message: "No." };
const ended = (data: Partial<EventEnvelope<"payment.settled">["data"]>) =>
  JSON.parse(paymentOutcome({ ...payment, data: { ...payment.data, ...data } }).json);

describe("the outcome of a payment", () => {
  test("is an event of its tenant and mode, with an id that the same event of the bus always has", () => {
    const event = paymentOutcome(payment);
    expect(event).toMatchObject({
      tenantId: "ten_1",
      mode: "test",
      eventId: "evt_1",
      merchant: sha256("ten_1"),
    });
    expect(JSON.parse(event.json)).toEqual({
      event_type: "payment_succeeded",
      event_timestamp: settledAt,
      event_id: "evt_1",
      merchant_id_hash: sha256("ten_1"),
      payment_intent_id_hash: sha256("pay_1"),
      processor: "payflow_simulated",
      amount_bucket: "INR 1000-9999",
      system_source: "payflow",
    });
    expect(paymentOutcome(payment)).toEqual(event);
  });

  test("names what the processor refused it for, and blames it for nothing else", () => {
    expect(ended({ status: "failed", error: declined })).toMatchObject({
      event_type: "payment_failed",
      failure_category: "card_declined",
      failure_origin: "processor",
    });
    const blocked = ended({ status: "flagged", error: { code: "fraud_blocked", message: "No." } });
    expect([blocked.event_type, blocked.failure_category, blocked.failure_origin]).toEqual([
      "payment_flagged",
      undefined,
      "fraud",
    ]);
    for (const status of ["voided", "expired"] as const) {
      const { event_type: type, failure_category: category } = ended({ status });
      expect([type, category]).toEqual([`payment_${status}`, undefined]);
    }
  });

  test("has amounts as a range only, and whatever the processor says is bounded", () => {
    const buckets = [0, 1, 9, 10, 999_999_999_999].map((amount) => ended({ amount }).amount_bucket);
    expect(buckets).toEqual(["INR 0", "INR 1-9", "INR 1-9", "INR 10-99", "INR 100000000000-999999999999"]);
    const long = ended({ status: "failed", error: { code: "x".repeat(500), message: "" } });
    expect(long.failure_category).toHaveLength(100);
  });
});

test("the outcome of a refund belongs to its payment", () => {
  expect(JSON.parse(refundOutcome(refund).json)).toMatchObject({
    event_type: "refund_succeeded",
    payment_intent_id_hash: sha256("pay_1"),
    amount_bucket: "INR 10-99",
  });
  const failed = refundOutcome({ ...refund, data: { ...refund.data, status: "failed", error: declined } });
  expect(JSON.parse(failed.json)).toMatchObject({
    event_type: "refund_failed",
    failure_category: "card_declined",
  });
});
