import { expect, test } from "bun:test";
import fc from "fast-check";
import { readFacts } from "./event-facts.ts";

const arrivedAtMs = Date.parse("2026-11-21T12:00:00Z");
const lateMs = 3_600_000;
const read = (event: object) => readFacts(JSON.stringify(event), arrivedAtMs, lateMs);

test("an event of a gateway is read as what it says", () => {
  expect(
    read({
      event_type: "payment_failed",
      event_timestamp: "2026-11-21T11:59:59Z",
      event_id: "uuid-123",
      merchant_id_hash: "abc123",
      payment_intent_id_hash: "xyz456",
      processor: "stripe",
      failure_category: "processor_timeout",
      retry_count: 2,
      geo_bucket: "US",
      payment_method_bucket: "credit_card",
      retry_result: "succeeded",
    }),
  ).toEqual({
    processor: "stripe",
    outcome: "failed",
    isTimeout: true,
    retries: 2,
    isRetrySucceeded: true,
    isLate: false,
    category: "processor_timeout",
    geography: "US",
    method: "credit_card",
  });
});

test("late is what happened longer ago than the limit, in any notation of the time", () => {
  const at = (event_timestamp: string) =>
    read({ event_type: "payment", processor: "p", event_timestamp })?.isLate;
  expect(at("2026-11-21T11:00:00.000Z")).toBe(false);
  expect(at("2026-11-21T10:59:59.999Z")).toBe(true);
  expect(at("2026-11-21T16:30:00+05:30")).toBe(false);
  expect(at("2026-11-21T12:59:00Z")).toBe(false);
});

test("a retried event without a result of the retry goes by its own outcome; one still open tells nothing", () => {
  const retried = (event_type: string) =>
    read({ event_type, processor: "p", retry_count: 1 })?.isRetrySucceeded;
  expect(retried("payment_succeeded")).toBe(true);
  expect(retried("payment_failed")).toBe(false);
  expect(retried("payment_created")).toBeNull();
  expect(read({ event_type: "payment_failed", processor: "p" })?.isRetrySucceeded).toBeNull();
});

test("whatever stands in a stream is read without harm: no throw, and no figure that is no number", () => {
  const fields = [
    "event_type",
    "processor",
    "failure_category",
    "retry_count",
    "retry_result",
    "event_timestamp",
  ];
  const event = fc.dictionary(fc.constantFrom(...fields), fc.jsonValue());
  fc.assert(
    fc.property(fc.oneof(event, fc.jsonValue()), (value) => {
      const facts = readFacts(JSON.stringify(value), arrivedAtMs, lateMs);
      if (facts !== null) expect(Number.isSafeInteger(facts.retries)).toBe(true);
    }),
  );
  expect(readFacts("{", arrivedAtMs, lateMs)).toBeNull();
});
