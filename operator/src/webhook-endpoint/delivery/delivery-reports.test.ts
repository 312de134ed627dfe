import { expect, test } from "bun:test";
import { noDeliveries } from "../../../test/setup/no-deliveries.ts";
import type { Deliveries } from "./delivery.ts";
import { DeliveryReports } from "./delivery-reports.ts";

const busy: Deliveries = { ...noDeliveries, pending: 3 };
const at = (seconds: number) => new Date(seconds * 1_000);

test("what is shown changes once a minute at most, and what was noDeliveries for long at once", () => {
  const reports = new DeliveryReports(60_000);
  expect(reports.toShow("a", noDeliveries, at(0))).toBe(noDeliveries);
  expect(reports.toShow("a", busy, at(59))).toBe(noDeliveries);
  expect(reports.toShow("a", busy, at(60))).toBe(busy);
  expect(reports.toShow("a", noDeliveries, at(119))).toBe(busy);
  expect(reports.toShow("a", { ...busy }, at(300))).toEqual(busy);
  expect(reports.toShow("a", noDeliveries, at(301))).toBe(noDeliveries);
  expect(reports.toShow("b", busy, at(301))).toBe(busy);
});

test("that an endpoint was given up or taken up again is shown at once", () => {
  const reports = new DeliveryReports(60_000);
  reports.toShow("a", noDeliveries, at(0));
  const gone: Deliveries = { ...noDeliveries, auto_disabled: "gone" };
  expect(reports.toShow("a", gone, at(1))).toBe(gone);
  expect(reports.toShow("a", noDeliveries, at(2))).toBe(noDeliveries);
});
