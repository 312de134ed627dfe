import { expect, test } from "bun:test";
import type { Deliveries } from "./delivery.ts";
import { DeliveryReports } from "./delivery-reports.ts";

const quiet: Deliveries = {
  last_success_at: null,
  last_failure_at: null,
  last_status_code: null,
  consecutive_failures: 0,
  pending: 0,
  dead: 0,
  auto_disabled: null,
};
const busy: Deliveries = { ...quiet, pending: 3 };
const at = (seconds: number) => new Date(seconds * 1_000);

test("what is shown changes once a minute at most, and what was quiet for long at once", () => {
  const reports = new DeliveryReports(60_000);
  expect(reports.toShow("a", quiet, at(0))).toBe(quiet);
  expect(reports.toShow("a", busy, at(59))).toBe(quiet);
  expect(reports.toShow("a", busy, at(60))).toBe(busy);
  expect(reports.toShow("a", quiet, at(119))).toBe(busy);
  expect(reports.toShow("a", { ...busy }, at(300))).toEqual(busy);
  expect(reports.toShow("a", quiet, at(301))).toBe(quiet);
  expect(reports.toShow("b", busy, at(301))).toBe(busy);
});

test("that an endpoint was given up or taken up again is shown at once", () => {
  const reports = new DeliveryReports(60_000);
  reports.toShow("a", quiet, at(0));
  const gone: Deliveries = { ...quiet, auto_disabled: "gone" };
  expect(reports.toShow("a", gone, at(1))).toBe(gone);
  expect(reports.toShow("a", quiet, at(2))).toBe(quiet);
});
