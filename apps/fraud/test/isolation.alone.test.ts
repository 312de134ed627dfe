import { afterAll, beforeAll, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { maxScoreBatch, maxScoreSteps, mostScoreSteps } from "@payflow/contracts/internal-fraud.ts";
import { compilePolicy } from "../src/policies/compile-policy.ts";
import { readPolicy } from "../src/policies/read-policy.ts";
import type { Counted } from "../src/scoring/counters.store.ts";
import { seriesPlan } from "../src/scoring/series.ts";
import {
  call,
  type Fraud,
  heavyRules,
  payment,
  score,
  startFraud,
  startLimitMs,
  testKey,
} from "./fraud-service.ts";

/** As one machine sets it: `FRAUD_TIMEOUT_MS` of `./payflow up`. */
const timeoutMs = 1_000;

let fraud: Fraud;
beforeAll(async () => {
  fraud = await startFraud();
}, startLimitMs);
afterAll(() => fraud.close());

/** A full batch of payments that share nothing, so that each has counters of its own. */
const batchOf = (tenantId: string) =>
  Array.from({ length: maxScoreBatch }, (_, index) =>
    payment(tenantId, {
      customer_id: `customer ${index}`,
      card_fingerprint: `card ${index}`,
      ip: `10.0.${index >> 8}.${index & 255}`,
    }),
  );

async function scriptCalls(): Promise<number> {
  const stats = await fraud.redis.info("commandstats");
  return [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  );
}

test("under the default policy a batch is one script, and under many rules no script counts more than that", async () => {
  const [plain, heavy] = [newId("ten"), newId("ten")];
  await call(fraud, testKey(heavy), "PUT", "/fraud/policy", { rules: heavyRules(50, "enforce") });
  const callsFor = async (payments: Parameters<typeof score>[1]) => {
    await score(fraud, [payment(newId("ten"))]);
    const before = await scriptCalls();
    const answers = await score(fraud, payments);
    return { answers, scripts: (await scriptCalls()) - before };
  };
  expect((await callsFor(batchOf(plain))).scripts).toBe(1);
  const { answers, scripts } = await callsFor(batchOf(heavy));
  const [steps = 0] = answers.map((answer) => answer.steps ?? 0);
  expect(steps).toBeGreaterThan(100);
  expect(scripts).toBe(Math.ceil(maxScoreBatch / Math.floor(maxScoreSteps / steps)));
  expect(scripts).toBeGreaterThan(5);
});

test("no policy takes more steps than payment assumes of one that it does not know", () => {
  const sums = ["INR", "USD", "EUR"].flatMap((currency) =>
    ["customer", "card", "ip", "tenant"].map((key) => ({
      kind: "velocity",
      name: "sums",
      id: `${currency.toLowerCase()}:${key}`,
      key,
      measure: "sum",
      currency,
      window_seconds: 60,
      limit: 1,
      action: "flag",
    })),
  );
  const policies = [heavyRules(50, "enforce"), [...heavyRules(38, "enforce"), ...sums]];
  for (const rules of policies) {
    expect(seriesPlan(compilePolicy(readPolicy({ rules }))).steps).toBeLessThanOrEqual(mostScoreSteps);
  }
});

test("a tenant's heavy batches do not delay another's score beyond the time that payment waits", async () => {
  const [heavy, light] = [newId("ten"), newId("ten")];
  const addresses = Array.from({ length: 5 }, (_, list) => ({
    kind: "list",
    name: "addresses",
    id: `addresses:${list}`,
    field: "ip",
    effect: "deny",
    values: Array.from({ length: 200 }, (_, index) => `${list + 11}.${index}.0.0/24`),
    action: "flag",
  }));
  const rules = [...heavyRules(45, "enforce"), ...addresses];
  expect((await call(fraud, testKey(heavy), "PUT", "/fraud/policy", { rules })).status).toBe(200);
  // Before, so that policies and statements are known.
  await Promise.all([score(fraud, batchOf(heavy)), score(fraud, [payment(light)])]);
  const heavyCalls = Array.from({ length: 16 }, () => score(fraud, batchOf(heavy)));
  const startedAt = performance.now();
  const [answer] = await score(fraud, [payment(light)]);
  const tookMs = performance.now() - startedAt;
  expect(answer?.decision).toBe("allow");
  expect(tookMs).toBeLessThan(timeoutMs);
  await Promise.all(heavyCalls);
}, 60_000);

test("a payment that comes while heavy batches are counted is counted before any of them is done", async () => {
  const [heavy, light] = [newId("ten"), newId("ten")];
  const policy = compilePolicy(readPolicy({ rules: heavyRules(50, "enforce") }));
  const counted = (tenantId: string, by: typeof policy): Counted => {
    const facts = { amount: 1, currency: "INR", customer: newId("pay"), card: newId("pay"), ip: "192.0.2.1" };
    return { paymentId: newId("pay"), tenantId, mode: "live", facts, policy: by };
  };
  const batch = () => Array.from({ length: maxScoreBatch }, () => counted(heavy, policy));
  const { counters, fallback } = fraud.deps;
  let done = 0;
  const heavyBatches = Array.from({ length: 4 }, async () => {
    await counters.count(batch(), false);
    done += 1;
  });
  await counters.count([counted(light, fallback)], false);
  expect(done).toBe(0);
  await Promise.all(heavyBatches);
  // Answers stand in the order asked, whatever the order of counting: this is the light one's second payment.
  const mixed = await counters.count([...batch(), counted(light, fallback)], false);
  expect(mixed.map((readings) => readings.length)).toEqual([
    ...batch().map(() => policy.measures.length),
    fallback.measures.length,
  ]);
  const ofTenant = fallback.measures.findIndex((one) => one.key === "tenant" && one.kind === "count");
  expect(mixed.at(-1)?.[ofTenant]?.value).toBe(2);
}, 60_000);
