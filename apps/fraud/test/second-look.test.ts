import { afterAll, beforeAll, expect, test } from "bun:test";
import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { ScoreRequest } from "@payflow/contracts/internal-fraud.ts";
import { consume } from "@payflow/service-kit/bus/consumers.ts";
import fc from "fast-check";
import {
  authorized,
  call,
  created,
  type Fraud,
  outboxOf,
  payment,
  score,
  settled,
  startFraud,
  startLimitMs,
  testKey,
} from "./fraud-service.ts";

let fraud: Fraud;
beforeAll(async () => {
  fraud = await startFraud();
}, startLimitMs);
afterAll(() => fraud.close());

type Scoring = EventEnvelope<"payment.settled">["data"]["scoring"];
const byFailMode = (decision: "allow" | "review" | "block"): Scoring => ({ decision, source: "fail_mode" });
const notAtAll: Scoring = { decision: null, source: "none" };
const inTime: Scoring = { decision: "allow", source: "score" };

/** A tenant whose payments over 1,000 get the given action. */
async function tenantWith(action: "flag" | "review" | "block", late_block: "flag" | "refund" = "flag") {
  const tenantId = newId("ten");
  const policy = { rules: [{ kind: "amount", name: "large", max: 1_000, action, weight: 30 }], late_block };
  expect((await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", policy)).status).toBe(200);
  fraud.deps.policies.forget({ tenantId, mode: "live" });
  return tenantId;
}

function deliver(events: readonly EventEnvelope[]): Promise<void> {
  const [first] = events;
  return first === undefined ? Promise.resolve() : consume(fraud.handlers, first.type, events);
}

type Told = [rule: string, decision: string, late: boolean, refund: boolean, score: number];

/** What was told of a payment, without ids and times. */
async function told(of: ScoreRequest): Promise<Told[]> {
  const events = await outboxOf(fraud, of.payment_id);
  return events.map(
    ({ data }): Told => [data.rule_triggered, data.decision, data.late, data.refund, data.risk_score],
  );
}

test.each<["flag" | "review" | "block", "flag" | "refund", Scoring, Told[]]>([
  ["block", "flag", byFailMode("allow"), [["large", "block", true, false, 30]]],
  ["block", "refund", byFailMode("allow"), [["large", "block", true, true, 30]]],
  ["review", "refund", byFailMode("allow"), [["large", "review", true, false, 30]]],
  ["flag", "flag", byFailMode("allow"), [["large", "flag", true, false, 30]]],
  ["block", "flag", notAtAll, [["large", "block", true, false, 30]]],
  ["review", "flag", byFailMode("review"), [["fail_mode", "review", true, false, 30]]],
  [
    "block",
    "refund",
    byFailMode("review"),
    [
      ["fail_mode", "review", true, false, 30],
      ["large", "block", true, true, 30],
    ],
  ],
  ["block", "flag", byFailMode("block"), [["fail_mode", "block", true, false, 30]]],
])("a %s (late: %s) on what %p had decided is told late", async (action, lateBlock, scoring, expected) => {
  const large = payment(await tenantWith(action, lateBlock), { amount: 1_001 });
  await deliver([created(large)]);
  await deliver([settled(large, scoring)]);
  expect(await told(large)).toEqual(expected);
  const { body } = await call(fraud, testKey(large.tenant_id), "GET", `/fraud/decisions/${large.payment_id}`);
  expect(body.decision).toBe(action);
});

test("a harmless payment that went on unscored is scored quietly; one held by the fail mode is told of", async () => {
  const tenantId = await tenantWith("block");
  const [passed, held] = [payment(tenantId), payment(tenantId)];
  await deliver([created(passed), created(held)]);
  await deliver([settled(passed, byFailMode("allow"))]);
  await deliver([authorized(held, byFailMode("review"))]);
  expect(await told(passed)).toEqual([]);
  expect(await told(held)).toEqual([["fail_mode", "review", true, false, 0]]);
});

test("a score that came too late for payment is told again as late", async () => {
  const large = payment(await tenantWith("block"), { amount: 1_001 });
  await score(fraud, [large]);
  await deliver([settled(large, byFailMode("allow"))]);
  expect(await told(large)).toEqual([
    ["large", "block", false, false, 30],
    ["large", "block", true, false, 30],
  ]);
});

test("payments scored in time leave nothing to look at again", async () => {
  const large = payment(await tenantWith("block"), { amount: 1_001 });
  await deliver([created(large)]);
  await score(fraud, [large]);
  await deliver([settled(large, { decision: "block", source: "score" }, "flagged")]);
  await deliver([created(large)]);
  expect(await told(large)).toEqual([["large", "block", false, false, 30]]);
  const rows = await fraud.database.sql`select 1 from second_look where payment_id = ${large.payment_id}`;
  expect(rows).toHaveLength(0);
});

test("events in any order, together or apart, and delivered again, have the same effect once", async () => {
  const tenantId = await tenantWith("block", "refund");
  const step = fc.record({
    payment: fc.nat(2),
    topic: fc.constantFrom<Topic>("payment.created", "payment.authorized", "payment.settled"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (again) => {
      const payments = [
        { of: payment(tenantId, { amount: 1_001 }), scoring: byFailMode("review") },
        { of: payment(tenantId, { amount: 1_001 }), scoring: notAtAll },
        { of: payment(tenantId, { amount: 1_001 }), scoring: inTime },
      ];
      await score(
        fraud,
        payments.slice(2).map(({ of }) => of),
      );
      const all = payments.flatMap((_, index) => [
        { payment: index, topic: "payment.created" as const },
        { payment: index, topic: "payment.settled" as const },
      ]);
      // The repeats decide the order too: each event is delivered at its first mention, and all of them in
      // the end.
      const steps = [...again, ...all];
      for (const { payment: index, topic } of steps) {
        const one = payments[index];
        if (one === undefined) throw new Error("no such payment");
        if (topic === "payment.created") await deliver([created(one.of)]);
        else if (topic === "payment.authorized") await deliver([authorized(one.of, one.scoring)]);
        else await deliver([settled(one.of, one.scoring), settled(one.of, one.scoring)]);
      }
      const effects = await Promise.all(payments.map(({ of }) => told(of)));
      expect(effects).toEqual([
        [
          ["fail_mode", "review", true, false, 30],
          ["large", "block", true, true, 30],
        ],
        [["large", "block", true, true, 30]],
        [["large", "block", false, false, 30]],
      ]);
    }),
    { numRuns: 40 },
  );
});

test("two replicas handling the same events at once tell of a payment once", async () => {
  const tenantId = await tenantWith("block");
  const payments = Array.from({ length: 40 }, () => payment(tenantId, { amount: 1_001 }));
  const other = fraud.replica();
  await Promise.all([
    fraud.handlers["payment.created"](payments.map(created)),
    other.handlers["payment.created"](payments.map(created)),
    fraud.handlers["payment.settled"](payments.map((one) => settled(one, notAtAll))),
    other.handlers["payment.authorized"]([...payments].reverse().map((one) => authorized(one, notAtAll))),
  ]);
  await deliver(payments.map(created));
  for (const one of payments) expect(await told(one)).toEqual([["large", "block", true, false, 30]]);
});

test("failures at the processor are counted once each, whatever is delivered again, and blocks are not", async () => {
  const tenantId = newId("ten");
  const by = { customer_id: "ada" };
  const failed = [payment(tenantId, by), payment(tenantId, by)];
  await score(fraud, failed);
  const events = failed.map((one) => settled(one, inTime, "failed"));
  for (let round = 0; round < 3; round += 1) await deliver(events);
  await deliver([settled(payment(tenantId, by), { decision: "block", source: "score" }, "flagged")]);
  expect((await score(fraud, [payment(tenantId, by)]))[0]?.decision).toBe("allow");
  await deliver([settled(payment(tenantId, by), inTime, "failed")]);
  expect((await score(fraud, [payment(tenantId, by)]))[0]).toMatchObject({
    decision: "block",
    rules: ["repeat_failure"],
  });
  expect((await score(fraud, [payment(tenantId, { customer_id: "bob" })]))[0]?.decision).toBe("allow");
  expect((await score(fraud, [payment(tenantId, { ...by, mode: "test" })]))[0]?.decision).toBe("allow");
});

test("failures are counted by address and as a ratio where the policy asks for it", async () => {
  const tenantId = newId("ten");
  const rules = [
    { kind: "repeat_failure", name: "by_ip", key: "ip", limit: 2, window_seconds: 600, action: "review" },
    {
      kind: "velocity",
      name: "ratio",
      key: "tenant",
      measure: "fail_ratio",
      window_seconds: 600,
      limit: 0.4,
      min_sample: 4,
      action: "block",
    },
  ];
  await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", { rules });
  const failed = ["2001:db8::1", "2001:DB8:0::1"].map((ip) => payment(tenantId, { ip }));
  await score(fraud, failed);
  await deliver(failed.map((one) => settled(one, inTime, "failed")));
  const [sameAddress, sampleReached, below] = [
    await score(fraud, [payment(tenantId, { ip: "2001:db8:0:0::1" })]),
    await score(fraud, [payment(tenantId)]),
    await score(fraud, [payment(tenantId)]),
  ].map(([answer]) => answer);
  expect(sameAddress).toMatchObject({ decision: "review", rules: ["by_ip"] });
  // Two of four failed, then two of five.
  expect(sampleReached).toMatchObject({ decision: "block", rules: ["ratio"] });
  expect(below).toMatchObject({ decision: "allow" });
});
