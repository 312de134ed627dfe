import { expect, test } from "bun:test";
import { decide } from "./attempt-delivery.ts";

const first = { number: 1, before: 0 };

test("an answer of 2xx delivers, 410 ends, anything else is tried again until the tenth attempt", () => {
  expect(decide(first, { error: null, statusCode: 204 }, null).outcome).toBe("delivered");
  expect(decide(first, { error: "bad_status", statusCode: 410 }, null).outcome).toBe("gone");
  for (const statusCode of [400, 401, 404, 429, 500, 503, null]) {
    expect(decide(first, { error: "bad_status", statusCode }, null).outcome).toBe("retry");
  }
  expect(decide({ number: 9, before: 0 }, { error: "timeout", statusCode: null }, null).outcome).toBe(
    "retry",
  );
  expect(decide({ number: 10, before: 0 }, { error: "timeout", statusCode: null }, null).outcome).toBe(
    "failed",
  );
});

test("a resent delivery has a whole schedule before it again", () => {
  expect(decide({ number: 11, before: 10 }, { error: "timeout", statusCode: null }, null)).toMatchObject({
    outcome: "retry",
    leastSeconds: 30,
  });
});

test("429 and 503 with Retry-After hold the whole endpoint back, for five minutes at most", () => {
  expect(decide(first, { error: "bad_status", statusCode: 429 }, 60).holdSeconds).toBe(60);
  expect(decide(first, { error: "bad_status", statusCode: 503 }, 9_000).holdSeconds).toBe(300);
  expect(decide(first, { error: "bad_status", statusCode: 500 }, 60).holdSeconds).toBe(0);
});
