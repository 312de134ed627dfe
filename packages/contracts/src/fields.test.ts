import { expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { Timestamp } from "./fields.ts";

test.each([
  "2026-01-02T03:04:05Z",
  "2024-02-29T23:59:59.123456789+05:30",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999Z",
])("%s is a time", (text) => {
  expect(Value.Check(Timestamp, text)).toBe(true);
});

test.each([
  ["a day that the calendar lacks", "2026-02-30T00:00:00Z"],
  ["a leap day of a common year", "2026-02-29T12:00:00+02:00"],
  ["the year 0", "0000-06-01T00:00:00Z"],
  ["the year 0 in UTC", "0001-01-01T00:00:00+23:59"],
  ["the year 10000 in UTC", "9999-12-31T23:59:59-23:59"],
  ["an hour 24", "2026-01-01T24:00:00Z"],
  ["no offset", "2026-01-01T00:00:00"],
])("%s is no time: %s", (_, text) => {
  expect(Value.Check(Timestamp, text)).toBe(false);
});
