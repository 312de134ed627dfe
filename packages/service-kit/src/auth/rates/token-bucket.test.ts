import { expect, test } from "bun:test";
import { rateHeaders, refill, waitMs } from "./token-bucket.ts";

test("a bucket fills at its rate, up to its burst, and not backwards in time", () => {
  const bucket = { tokens: 0, atMs: 1_000 };
  refill(bucket, 1_500, 10, 20);
  expect(bucket.tokens).toBe(5);
  refill(bucket, 900, 10, 20);
  expect(bucket.tokens).toBe(5);
  refill(bucket, 60_000, 10, 20);
  expect(bucket.tokens).toBe(20);
});

test("the wait is the time to the next whole token", () => {
  expect(waitMs(1, 10)).toBe(0);
  expect(waitMs(0, 10)).toBe(100);
  expect(waitMs(0.5, 2)).toBe(250);
  expect([waitMs(5, 10, 5), waitMs(5, 10, 25), waitMs(-5, 10, 5)]).toEqual([0, 2_000, 1_000]);
});

test("the headers are structured fields of whole numbers", () => {
  const limits = { requests_per_second: 1_000, burst: 2_000 };
  expect(rateHeaders(limits, 1_500.7)).toEqual({
    "ratelimit-policy": '"requests";q=2000;w=2',
    ratelimit: '"requests";r=1500;t=1',
  });
  expect(
    rateHeaders({ requests_per_second: 1, burst: 3 }, -1, { counted: "events", retryAfterMs: 2_100 }),
  ).toEqual({
    "ratelimit-policy": '"events";q=3;w=3',
    ratelimit: '"events";r=0;t=3',
    "retry-after": "3",
  });
});
