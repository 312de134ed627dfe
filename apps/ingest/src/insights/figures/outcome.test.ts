import { expect, test } from "bun:test";
import { isTimeoutCategory, type OutcomeFields, outcomeOf, retryVerdict } from "./outcome.ts";

test.each<[OutcomeFields, string]>([
  [{ event_type: "payment_failed" }, "failed"],
  [{ event_type: "charge.declined" }, "failed"],
  [{ event_type: "payment-rejected" }, "failed"],
  [{ event_type: "PAYMENT FAILED" }, "failed"],
  [{ event_type: "payment_timed_out" }, "failed"],
  [{ event_type: "payment_exhausted" }, "failed"],
  [{ event_type: "payment_succeeded" }, "succeeded"],
  [{ event_type: "payment_authorized" }, "succeeded"],
  [{ event_type: "refund.success" }, "succeeded"],
  [{ event_type: "payment_created" }, "open"],
  [{ event_type: "payment_voided" }, "open"],
  [{ event_type: "payment_expired", failure_category: "none" }, "open"],
  [{ event_type: "payment" }, "succeeded"],
])("%p is %s", (event, outcome) => {
  expect<string>(outcomeOf(event)).toBe(outcome);
});

test("the type decides before the result of the retry: the first attempt did fail", () => {
  expect(outcomeOf({ event_type: "payment_failed", retry_result: "succeeded" })).toBe("failed");
  expect(outcomeOf({ event_type: "payment_succeeded", failure_category: "processor_timeout" })).toBe(
    "succeeded",
  );
});

test("the last word of a type that says something decides", () => {
  expect(outcomeOf({ event_type: "payment_failed_then_recovered" })).toBe("succeeded");
  expect(outcomeOf({ event_type: "authorized_payment_capture_failed" })).toBe("failed");
  expect(outcomeOf({ event_type: "payment_failed_pending" })).toBe("failed");
});

test("without a verdict in the type the retry's result decides, then the category", () => {
  expect(outcomeOf({ event_type: "payment_retry", retry_result: "failed" })).toBe("failed");
  expect(outcomeOf({ event_type: "payment_retry", retry_result: "success", failure_category: "x" })).toBe(
    "succeeded",
  );
  expect(outcomeOf({ event_type: "payment", failure_category: "processor_timeout" })).toBe("failed");
  expect(outcomeOf({ event_type: "payment_pending", failure_category: "network_error" })).toBe("failed");
  expect(outcomeOf({ event_type: "payment", failure_category: "none", retry_result: "pending" })).toBe(
    "succeeded",
  );
});

test("a retry's result that is still open says nothing", () => {
  expect(retryVerdict("pending")).toBeNull();
  expect(retryVerdict("later maybe")).toBeNull();
  expect(retryVerdict(undefined)).toBeNull();
  expect(retryVerdict("failed again")).toBe("failed");
});

test("time-outs are known by any spelling", () => {
  for (const category of ["processor_timeout", "timeout", "Timed out", "gateway-time-out", "TIMEDOUT"]) {
    expect(isTimeoutCategory(category)).toBe(true);
  }
  for (const category of [
    "insufficient_funds",
    "checkout_closed",
    "",
    null,
    undefined,
    "daytime_limit_out",
  ]) {
    expect(isTimeoutCategory(category)).toBe(false);
  }
});
