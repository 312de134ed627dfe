import { afterAll, beforeAll, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { connectRedis } from "@payflow/service-kit/store/redis.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { compilePolicy } from "../src/policies/compile-policy.ts";
import type { Dimension, Rule } from "../src/policies/policy.ts";
import { type Counted, redisCounters } from "../src/scoring/counters.store.ts";
import type { Facts } from "../src/scoring/evaluate.ts";
import { type Happening, seenByModel, windowPolicy } from "./window-model.ts";

let servers: TestRedisPair;
let redis: Redis;

beforeAll(async () => {
  servers = await testRedis();
  redis = connectRedis(servers.cache.url, "fraud-test", createLogger("test", "silent"));
  await new Promise((resolve) => redis.once("ready", resolve));
});
afterAll(async () => {
  redis.disconnect();
  await servers.close();
});

const noFacts: Facts = { amount: 1, currency: "INR", customer: null, card: null, ip: null };

const counting = (key: Dimension, seconds: number) =>
  ({
    kind: "velocity",
    name: "count",
    id: "count",
    key,
    measure: "count",
    window_seconds: seconds,
    limit: 0,
    mode: "enforce",
    weight: 0,
    action: "flag",
  }) satisfies Rule;

const anyFacts: fc.Arbitrary<Facts> = fc.record({
  amount: fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.constant(999_999_999_999)),
  currency: fc.constantFrom("INR", "USD"),
  customer: fc.constantFrom(null, "ada", "bob"),
  card: fc.constantFrom(null, "red", "blue", "green"),
  ip: fc.constantFrom(null, "192.0.2.1", "192.0.2.2"),
});
const anyStep = fc.record({
  // Includes jumps onto, just before and beyond the ends of the windows. No two batches are at the same
  // microsecond.
  waitMs: fc.constantFrom(1, 1, 2, 1_000, 5_000, 9_999, 10_000, 10_001, 59_999, 60_000, 60_001),
  batch: fc.array(fc.record({ facts: anyFacts, fails: fc.boolean() }), { minLength: 1, maxLength: 6 }),
});

test("every measure sees what a plain model sees, whatever the batches and pauses", async () => {
  const policy = compilePolicy(windowPolicy([10, 60]));
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 12 }), async (steps) => {
      const tenantId = newId("ten");
      let atMs = 2_000_000_000_000;
      const counters = redisCounters(redis, () => atMs);
      const history: Happening[] = [];
      for (const step of steps) {
        atMs += step.waitMs;
        const payments = step.batch.map(({ facts }): Counted => {
          return { paymentId: newId("pay"), tenantId, mode: "live", facts, policy };
        });
        const readings = await counters.count(payments, false);
        for (const [index, payment] of payments.entries()) {
          const now = { kind: "payment", id: payment.paymentId, atMs, facts: payment.facts } as const;
          history.push(now);
          for (const { rule, measure } of policy.rules) {
            const reading = readings[index]?.[measure ?? -1] ?? null;
            const model = seenByModel(rule, history, now);
            const seen =
              reading === null ? null : [reading.value, reading.sample].slice(0, model?.length ?? 1);
            expect({ rule: rule.id, seen }).toEqual({ rule: rule.id, seen: model as number[] | null });
          }
        }
        const failed = payments.filter((_, index) => step.batch[index]?.fails);
        const failures = failed.map((payment) => ({ ...payment, failedAt: new Date(atMs) }));
        // Told twice, as a bus may do.
        await counters.recordFailures(failures);
        await counters.recordFailures(failures);
        for (const payment of failed) {
          history.push({ kind: "failure", id: payment.paymentId, atMs, facts: payment.facts });
        }
      }
    }),
    { numRuns: 100 },
  );
});

test("a payment counts once and sees the same again, alone or in another batch", async () => {
  const policy = compilePolicy(windowPolicy([60]));
  const tenantId = newId("ten");
  const counters = redisCounters(redis);
  const payments = Array.from({ length: 5 }, (): Counted => {
    return { paymentId: newId("pay"), tenantId, mode: "live", facts: noFacts, policy };
  });
  const first = await counters.count(payments, false);
  const again = await counters.count([...payments].reverse(), false);
  expect([...again].reverse()).toEqual([...first]);
  const [next] = await counters.count(
    [{ paymentId: newId("pay"), tenantId, mode: "live", facts: noFacts, policy }],
    false,
  );
  expect(next?.[policy.rules.find(({ rule }) => rule.id === "count:tenant:60")?.measure ?? -1]?.value).toBe(
    6,
  );
});

test("a dry run sees what a real one would and leaves no key behind", async () => {
  await redis.flushall();
  const policy = compilePolicy(windowPolicy([60]));
  const counters = redisCounters(redis);
  const payment = { paymentId: newId("pay"), tenantId: newId("ten"), mode: "live", facts: noFacts, policy };
  const dry = await counters.count([payment], true);
  expect(await redis.dbsize()).toBe(0);
  expect(dry).toEqual(await counters.count([payment], false));
});

test("a key keeps a bounded number of entries, never counts too few, and expires", async () => {
  await redis.flushall();
  const policy = compilePolicy(windowPolicy([86_400]));
  const tenantId = newId("ten");
  let nowMs = 2_000_000_000_000;
  const counters = redisCounters(redis, () => nowMs);
  const measure = policy.rules.find(({ rule }) => rule.id === "count:tenant:86400")?.measure ?? -1;
  let last = 0;
  for (let batch = 0; batch < 9_000; batch += 1) {
    nowMs += 10;
    const payment = { paymentId: newId("pay"), tenantId, mode: "live", facts: noFacts, policy };
    const [readings] = await counters.count([payment], false);
    last = readings?.[measure]?.value ?? 0;
  }
  expect(last).toBe(9_000);
  const keys = (await redis.keys("*")).filter((key) => !key.includes(":payment:"));
  expect(keys.length).toBeGreaterThan(0);
  for (const key of keys) {
    expect(await redis.zcard(key)).toBeLessThanOrEqual(4_096);
    expect(await redis.pttl(key)).toBeGreaterThan(0);
  }
  // Half a window later half of them have left, give or take what the older half was coarsened by.
  nowMs += 86_400_000 - 45_000;
  const payment = { paymentId: newId("pay"), tenantId, mode: "live", facts: noFacts, policy };
  const [readings] = await counters.count([payment], false);
  expect(readings?.[measure]?.value).toBeGreaterThanOrEqual(4_501);
  expect(readings?.[measure]?.value).toBeLessThan(4_520);
});

test("a window with far more batches than a key has entries still forgets what left it", async () => {
  const windows = [1, 10, 60];
  const rules = windows.map((seconds): Rule => ({ ...counting("tenant", seconds), id: `${seconds}` }));
  const policy = compilePolicy({ ...windowPolicy([]), rules });
  const tenantId = newId("ten");
  let nowMs = 2_000_000_000_000;
  const counters = redisCounters(redis, () => nowMs);
  const count = () => {
    nowMs += 5;
    return counters.count(
      [{ paymentId: newId("pay"), tenantId, mode: "live", facts: noFacts, policy }],
      false,
    );
  };
  for (let round = 0; round < 200; round += 1) await Promise.all(Array.from({ length: 100 }, count));
  const [readings] = await count();
  for (const [measure, seconds] of windows.entries()) {
    const value = readings?.[measure]?.value;
    expect(value).toBeGreaterThanOrEqual(seconds * 200);
    expect(value).toBeLessThanOrEqual(seconds * 200 * (1 + 1 / 64));
  }
});

test("keys that are full or over their time all at once are tidied over several batches", async () => {
  await redis.flushall();
  const policy = compilePolicy({ ...windowPolicy([]), rules: [counting("customer", 60)] });
  const tenantId = newId("ten");
  const nowMs = 2_000_000_000_000;
  const counters = redisCounters(redis, () => nowMs);
  const batch = () =>
    Array.from({ length: 40 }, (_, index): Counted => {
      const facts = { ...noFacts, customer: `customer ${index}` };
      return { paymentId: newId("pay"), tenantId, mode: "live", facts, policy };
    });
  await counters.count(batch(), false);
  const keys = (await redis.keys("*")).filter((key) => !key.includes(":payment:"));
  expect(keys).toHaveLength(40);
  // Half of them full within the window, half with entries that have left it.
  for (const [index, key] of keys.entries()) {
    const from = (nowMs - (index % 2 === 0 ? 50_000 : 100_000)) * 1_000;
    const length = index % 2 === 0 ? 4_096 : 1_000;
    const entries = Array.from({ length }, (_, entry) => [from + entry * 1_000, `0:${entry}`]);
    await redis.del(key);
    await redis.zadd(key, ...entries.flat());
  }
  const sizes = () => Promise.all(keys.map((key) => redis.zcard(key)));
  await counters.count(batch(), false);
  const once = await sizes();
  // Two were thinned out, and of none did more than 16 entries leave for their age.
  expect(once.filter((size) => size > 1_001 && size < 4_000)).toHaveLength(2);
  expect(once.filter((size) => size === 1_001 - 16)).toHaveLength(20);
  for (let rest = 0; rest < 80; rest += 1) await counters.count(batch(), false);
  const after = await sizes();
  expect(Math.max(...after)).toBeLessThanOrEqual(4_096);
  for (const index of after.keys()) if (index % 2 === 1) expect(after[index]).toBeLessThan(200);
});

test("tenants and modes are counted apart", async () => {
  const policy = compilePolicy(windowPolicy([60]));
  const counters = redisCounters(redis);
  const [left, right] = [newId("ten"), newId("ten")];
  const facts = { ...noFacts, customer: "shared", card: "shared", ip: "192.0.2.9" };
  const readings = await counters.count(
    [
      { paymentId: newId("pay"), tenantId: left, mode: "live", facts, policy },
      { paymentId: newId("pay"), tenantId: left, mode: "test", facts, policy },
      { paymentId: newId("pay"), tenantId: right, mode: "live", facts, policy },
    ],
    false,
  );
  expect(readings[1]).toEqual(readings[0] ?? []);
  expect(readings[2]).toEqual(readings[0] ?? []);
});
