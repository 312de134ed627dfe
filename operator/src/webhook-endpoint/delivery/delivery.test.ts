import { expect, test } from "bun:test";
import { noDeliveries } from "../../../test/setup/no-deliveries.ts";
import { type Deliveries, deliveryFindings, deliveryStatus, endpointProgress } from "./delivery.ts";

const working: Deliveries = {
  ...noDeliveries,
  last_success_at: "2026-03-01T10:00:00.123Z",
  last_failure_at: "2026-02-01T10:00:00.000Z",
  last_status_code: 200,
  pending: 3,
};
const delivering = (deliveries: Deliveries, isWanted = true) => deliveryFindings(deliveries, isWanted)[0];

test("what never was is left out, and times are whole seconds", () => {
  expect(deliveryStatus(noDeliveries)).toEqual({ consecutiveFailures: 0, pending: 0, dead: 0 });
  expect(deliveryStatus(working)).toEqual({
    lastSuccess: "2026-03-01T10:00:00Z",
    lastFailure: "2026-02-01T10:00:00Z",
    lastStatusCode: 200,
    consecutiveFailures: 0,
    pending: 3,
    dead: 0,
  });
});

test("Delivering is unknown before the first attempt, and says what the last ones came to", () => {
  expect(delivering(noDeliveries)).toMatchObject({
    type: "Delivering",
    status: "Unknown",
    reason: "NothingSent",
  });
  expect(delivering(working)).toMatchObject({ status: "True", reason: "Delivered" });
  const failing = { ...working, consecutive_failures: 4, last_status_code: 503 };
  expect(delivering(failing)).toMatchObject({
    status: "False",
    reason: "Failing",
    message: "4 attempts in a row failed, and the last answer was 503.",
  });
  const unanswered = { ...noDeliveries, consecutive_failures: 1 };
  expect(delivering(unanswered)?.message).toBe("1 attempt failed, and nothing was answered yet.");
  expect(delivering(failing, false)).toMatchObject({ status: "False", reason: "Disabled" });
});

test("an endpoint that was given up says so and why; only after 410 does it wait for somebody", () => {
  const gone: Deliveries = { ...working, auto_disabled: "gone" };
  expect(deliveryFindings(gone, true)).toMatchObject([
    { type: "Delivering", status: "False", reason: "Gone" },
    { type: "AutoDisabled", status: "True", reason: "Gone" },
  ]);
  expect(endpointProgress(gone)).toMatchObject({ state: "stalled", reason: "AutoDisabled" });
  expect(endpointProgress({ ...gone, auto_disabled: "failing" }).state).toBe("reconciling");
  expect(endpointProgress(working).state).toBe("ready");
  expect(deliveryFindings(working, true)[1]).toMatchObject({ type: "AutoDisabled", status: "False" });
});
