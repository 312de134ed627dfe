import { expect, test } from "bun:test";
import fc from "fast-check";
import { maxAttempts, nextAttempt, offsetsSeconds, readRetryAfter } from "./schedule.ts";

test("attempts are due 0, 30 s, 5 min, 30 min, 2 h, 5 h, 10 h, 24 h, 48 h and 72 h after the first", () => {
  const due = [
    0,
    ...Array.from({ length: 9 }, (_, index) => nextAttempt(index + 1, null, () => 0)?.offsetSeconds),
  ];
  expect(due).toEqual([0, 30, 300, 1_800, 7_200, 18_000, 36_000, 86_400, 172_800, 259_200]);
  expect(nextAttempt(maxAttempts, null)).toBeNull();
});

test("jitter is never earlier, and at most a tenth of the gap later", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempt, random) => {
        const due = nextAttempt(attempt, null, () => random)?.offsetSeconds ?? 0;
        const [before = 0, planned = 0] = offsetsSeconds.slice(attempt - 1);
        expect(due).toBeGreaterThanOrEqual(planned);
        expect(due).toBeLessThanOrEqual(planned + 0.1 * (planned - before) + 1e-6);
      },
    ),
  );
});

test("Retry-After puts an attempt off, up to a day, and never brings it forward", () => {
  expect(nextAttempt(1, 3_600)?.leastSeconds).toBe(3_600);
  expect(nextAttempt(1, 1)?.leastSeconds).toBe(30);
  expect(nextAttempt(1, 9_999_999)?.leastSeconds).toBe(86_400);
});

test("Retry-After is read as seconds and as a date, and anything else is ignored", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(readRetryAfter("120", now)).toBe(120);
  expect(readRetryAfter(" 7 ", now)).toBe(7);
  expect(readRetryAfter("Thu, 01 Jan 2026 00:02:00 GMT", now)).toBe(120);
  expect(readRetryAfter("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
  for (const other of [undefined, "", "soon", "-5", "1.5", "1e3", "Thursday next"]) {
    expect(readRetryAfter(other, now)).toBeNull();
  }
});
