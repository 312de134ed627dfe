import { afterAll, beforeAll, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { maxScoreBatch } from "@payflow/contracts/internal-fraud.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import {
  call,
  type Fraud,
  heavyRules,
  outboxOf,
  payment,
  score,
  scoresRequest,
  startFraud,
  startLimitMs,
  testKey,
} from "./fraud-service.ts";

let fraud: Fraud;
beforeAll(async () => {
  fraud = await startFraud();
}, startLimitMs);
afterAll(() => fraud.close());

const velocityOf = (limit: number, others: readonly object[] = []) => ({
  rules: [
    {
      kind: "velocity",
      name: "velocity_check",
      key: "tenant",
      measure: "count",
      window_seconds: 3_600,
      limit,
      action: "block",
    },
    ...others,
  ],
});

test.each([
  ["alone", 20, []],
  ["among as many rules as there may be", 200, heavyRules(49, "shadow")],
] as const)(
  "with limit N exactly N of 1,000 simultaneous payments pass, %s, on two replicas and after redelivery",
  async (_, size, others) => {
    const tenantId = newId("ten");
    const limit = 137;
    expect(
      (await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", velocityOf(limit, others))).status,
    ).toBe(200);
    const replicas = [fraud, fraud.replica()];
    const payments = Array.from({ length: 1_000 }, () => payment(tenantId));
    const batches = Array.from({ length: 1_000 / size }, (_, batch) =>
      payments.slice(batch * size, batch * size + size),
    );
    const ask = async () => {
      const answers = await Promise.all(
        batches.map((batch, index) => score(replicas[index % 2] ?? fraud, batch)),
      );
      return answers.flat().map((answer) => answer.decision);
    };
    const first = await ask();
    expect(first.filter((decision) => decision === "allow")).toHaveLength(limit);
    expect(first.filter((decision) => decision === "block")).toHaveLength(1_000 - limit);
    expect(await ask()).toEqual(first);
    await fraud.redis.flushall();
    expect(await ask()).toEqual(first);
  },
);

test("the same payments sent at once by two callers are counted once and decided once", async () => {
  const tenantId = newId("ten");
  await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", velocityOf(50));
  const payments = Array.from({ length: 100 }, () => payment(tenantId));
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      score(index % 2 === 0 ? fraud : fraud.replica(), index % 3 === 0 ? payments : [...payments].reverse()),
    ),
  );
  const decisions = answers.map(
    (batch) => new Map(batch.map((answer) => [answer.payment_id, answer.decision])),
  );
  for (const one of decisions)
    expect(new Map([...one].sort())).toEqual(new Map([...(decisions[0] ?? [])].sort()));
  expect([...(decisions[0]?.values() ?? [])].filter((decision) => decision === "allow")).toHaveLength(50);
});

test("a payment decided long ago gets its first decision again, whatever was forgotten", async () => {
  const tenantId = newId("ten");
  await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", velocityOf(1));
  // An id of an hour ago: the counters no longer remember it.
  const old = payment(tenantId, { payment_id: "pay_01hzy0000000000000000000ab" });
  expect((await score(fraud, [old]))[0]?.decision).toBe("allow");
  await fraud.redis.flushall();
  for (let round = 0; round < 3; round += 1) expect((await score(fraud, [old]))[0]?.decision).toBe("allow");
  // It was not counted again either.
  expect((await score(fraud, [payment(tenantId)]))[0]?.decision).toBe("allow");
  expect((await score(fraud, [payment(tenantId)]))[0]?.decision).toBe("block");
});

test("a changed policy is in effect on every replica, and old decisions name the old one", async () => {
  const tenantId = newId("ten");
  const other = fraud.replica();
  const first = payment(tenantId, { amount: 400_000 });
  expect((await score(other, [first]))[0]?.decision).toBe("allow");
  const strict = { rules: [{ kind: "amount", name: "amount_threshold", max: 100, action: "block" }] };
  const put = await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", strict);
  await eventually(async () => {
    const [answer] = await score(other, [payment(tenantId, { amount: 400_000 })]);
    expect(answer?.decision).toBe("block");
  });
  const before = await call(fraud, testKey(tenantId), "GET", `/fraud/decisions/${first.payment_id}`);
  expect(before.body.decision).toBe("allow");
  expect(before.body.policy_hash).not.toBe(put.body.policy_hash);
  expect(before.body.evaluations).toHaveLength(7);
});

test("decision, flag and event are stored together, and only once for a payment", async () => {
  const tenantId = newId("ten");
  const large = payment(tenantId, { amount: 500_001, customer_id: "ada" });
  const [answer] = await score(fraud, [large]);
  expect(answer).toEqual({
    payment_id: large.payment_id,
    decision: "review",
    score: 40,
    rules: ["amount_threshold"],
    fail_mode: "review",
    steps: 16,
  });
  await score(fraud, [large, large]);
  const events = await outboxOf(fraud, large.payment_id);
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({
    type: "fraud.flagged",
    tenant_id: tenantId,
    mode: "live",
    request_id: "req_test",
    sequence: null,
    data: {
      rule_triggered: "amount_threshold",
      risk_score: 40,
      decision: "review",
      late: false,
      refund: false,
    },
  });
  const flags = await call(fraud, testKey(tenantId), "GET", "/fraud/flags");
  expect(flags.body.data.map((flag: { event_id: string }) => flag.event_id)).toEqual([events[0]?.event_id]);
});

test("a dry batch is decided like any other but leaves nothing behind", async () => {
  const tenantId = newId("ten");
  const keys = await fraud.redis.dbsize();
  const payments = Array.from({ length: maxScoreBatch }, () => payment(tenantId, { amount: 600_000 }));
  const answers = await score(fraud, payments, true);
  expect(new Set(answers.map((answer) => answer.decision))).toEqual(new Set(["review"]));
  expect(await fraud.redis.dbsize()).toBe(keys);
  const [one] = payments;
  expect((await call(fraud, testKey(tenantId), "GET", `/fraud/decisions/${one?.payment_id}`)).status).toBe(
    404,
  );
  expect((await call(fraud, testKey(tenantId), "GET", "/fraud/flags")).body.data).toEqual([]);
});

test("a payment id of another tenant or mode is never answered", async () => {
  const mine = payment(newId("ten"));
  await score(fraud, [mine]);
  for (const foreign of [{ tenant_id: newId("ten") }, { mode: "test" as const }]) {
    const response = await fraud.internalApp.handle(scoresRequest({ payments: [{ ...mine, ...foreign }] }));
    expect(response.status).toBe(500);
  }
});

test("the route refuses other callers, malformed payments and batches that are too large", async () => {
  const good = payment(newId("ten"));
  const status = async (body: unknown, token?: string) =>
    (await fraud.internalApp.handle(scoresRequest(body, token))).status;
  expect(await status({ payments: [good] }, "wrong")).toBe(401);
  expect(await status({ payments: [] })).toBe(400);
  expect(await status({ payments: Array.from({ length: maxScoreBatch + 1 }, () => good) })).toBe(400);
  expect(await status({ payments: [{ ...good, amount: 0 }] })).toBe(400);
  expect(await status({ payments: [{ ...good, payment_id: "pay_x" }] })).toBe(400);
  expect(await status({ payments: [{ ...good, surprise: 1 }] })).toBe(400);
});
