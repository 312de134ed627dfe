import { afterAll, afterEach, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { finishPayment } from "../../src/payments/finish-payment.ts";
import { OutcomeUnknown } from "../../src/processor/processor.ts";
import { takePayments } from "../../src/recovery/recovery.store.ts";
import type { TestTenant } from "../payment-app.ts";
import { crashPoints, killedPayment } from "./crash-points.ts";
import { recoveryOf, startRecoveryApp } from "./recovery-app.ts";

const app = await startRecoveryApp();
afterAll(() => app.close());
afterEach(() => {
  app.fraud.decide(() => ({}));
  app.fraud.delay(0);
});

const scored = { decision: "allow", score: 0, rules: [], source: "score" } as const;

const killed = (tenant: TestTenant, point: string, body: Record<string, unknown> = {}) =>
  killedPayment(app, tenant, point, body);

/**
 * Everything a payment must be in once it was recovered: charged at most once, and told in one settled event.
 */
async function history(paymentId: string) {
  const events = await app.events(paymentId);
  const [charge] = await app.charges([paymentId]);
  return {
    calls: charge?.calls ?? 0,
    settled: events.filter((event) => event.type === "payment.settled").map((event) => event.data.status),
    sequences: events.map((event) => event.sequence),
  };
}

test.each(Object.keys(crashPoints))(
  "a replica killed %s leaves a payment that ends charged once",
  async (point) => {
    const tenant = app.newTenant();
    const { id, repeat } = await killed(tenant, point);
    expect((await repeat()).json.code).toBe("idempotency_in_progress");
    expect(await app.recovery.runOnce()).toBe(0);
    await app.makeDue(id);
    await recoveryOf(app.replica()).runOnce();
    const final = await repeat();
    expect([final.status, final.json.status, final.json.amount_captured]).toEqual([201, "succeeded", 1_000]);
    expect(await history(id)).toEqual({ calls: 1, settled: ["succeeded"], sequences: [1, 2] });
  },
);

test.each(Object.keys(crashPoints))(
  "a replica killed %s leaves a manual payment that is authorized",
  async (point) => {
    const tenant = app.newTenant();
    const { id, repeat } = await killed(tenant, point, { capture_method: "manual" });
    await app.makeDue(id);
    await app.recovery.runOnce();
    expect((await repeat()).json.status).toBe("authorized");
    const captured = await app.post(tenant.live, `/payments/${id}/capture`, { amount: 3 });
    expect(captured.json).toMatchObject({ status: "succeeded", amount_captured: 3 });
  },
);

test.each([
  ["pm_card_timeout_then_succeeded", 201, "succeeded", null],
  ["pm_card_timeout_then_failed", 402, "failed", "card_declined"],
])(
  "%s is 202 until the inquiry, and then %i for the same key",
  async (payment_method, status, state, code) => {
    const { live } = app.newTenant();
    const send = { idempotencyKey: crypto.randomUUID() };
    const accepted = await app.pay(live, { payment_method }, send);
    expect([accepted.status, accepted.json.status]).toEqual([202, "processing"]);
    expect((await app.pay(live, { payment_method }, send)).status).toBe(202);
    expect(await app.recovery.runOnce()).toBe(0);
    await app.makeDue(accepted.json.payment_id);
    await app.recovery.runOnce();
    const final = await app.pay(live, { payment_method }, send);
    expect([final.status, final.json.status, final.json.error?.code ?? null]).toEqual([status, state, code]);
    expect(final.headers.get("idempotent-replayed")).toBe("true");
    expect(await history(accepted.json.payment_id)).toEqual({
      calls: 1,
      settled: [state],
      sequences: [1, 2],
    });
  },
);

test("the first inquiry comes after the set time, later ones further and further apart, and never end", async () => {
  const { live } = app.newTenant();
  const silent = app.replica({
    processor: (real) => ({ ...real, inquire: () => Promise.reject(new OutcomeUnknown("away")) }),
  });
  const recovery = recoveryOf(silent, { firstInquiryMs: 1_000, maxInquiryMs: 60_000 });
  const { json } = await app.pay(live, { payment_method: "pm_card_timeout_then_succeeded" });
  const waitSeconds = async () => {
    const [row] = await app.sql<{ wait: number }[]>`
      select extract(epoch from due_at - now())::float8 as wait from payment where id = ${json.payment_id}`;
    return row?.wait ?? 0;
  };
  expect(await waitSeconds()).toBeWithin(4, 5);
  const waits: number[] = [];
  for (let inquiry = 1; inquiry <= 10; inquiry += 1) {
    await app.makeDue(json.payment_id);
    await recovery.runOnce();
    waits.push(await waitSeconds());
  }
  expect(waits[0]).toBeWithin(0.5, 2.1);
  expect(waits[3]).toBeWithin(7, 17);
  expect(waits[9]).toBeWithin(29, 61);
  expect((await app.payment(live, json.payment_id)).status).toBe("processing");
  expect(await silent.deps.metrics.text()).toMatch(/payflow_recovery_open_count\{kind="payment".*\} [1-9]/);
  await app.makeDue(json.payment_id);
  await app.recovery.runOnce();
  expect((await app.payment(live, json.payment_id)).status).toBe("succeeded");
});

test("a payment that fraud blocks is never charged by recovery", async () => {
  app.fraud.decide(() => ({ decision: "block", score: 99, rules: ["list"] }));
  const { id, repeat } = await killed(app.newTenant(), "after the claim");
  await app.makeDue(id);
  await app.recovery.runOnce();
  const final = await repeat();
  expect([final.status, final.json.status, final.json.error?.code]).toEqual([
    402,
    "flagged",
    "fraud_blocked",
  ]);
  expect(await history(id)).toEqual({ calls: 0, settled: ["flagged"], sequences: [1, 2] });
});

test("while fraud does not answer, recovery neither charges nor ends what the processor never saw", async () => {
  const { id } = await killed(app.newTenant(), "after the claim");
  app.fraud.delay(1_000);
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect(await history(id)).toEqual({ calls: 0, settled: [], sequences: [1] });
  app.fraud.delay(0);
  app.fraud.decide(() => ({ decision: "block" }));
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect(await history(id)).toEqual({ calls: 0, settled: ["flagged"], sequences: [1, 2] });
});

test("a charged payment never ends as flagged: a stricter later score is a late flag", async () => {
  const tenant = app.newTenant();
  const { id } = await killed(tenant, "after the charge");
  app.fraud.decide(() => ({ decision: "block" }));
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect(await app.payment(tenant.live, id)).toMatchObject({
    status: "succeeded",
    amount_captured: 1_000,
    fraud: { decision: null, late_flag: true },
  });
  const settled = (await app.events(id)).at(-1);
  expect(settled.data.scoring).toEqual({ decision: null, source: "none" });
});

test("an authorization that captures by itself was held for review, and is under review after recovery", async () => {
  app.fraud.decide(() => ({ decision: "review" }));
  const tenant = app.newTenant();
  const { id, repeat } = await killed(tenant, "after the charge");
  app.fraud.delay(1_000);
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect((await repeat()).json).toMatchObject({ status: "flagged", fraud: { decision: "review" } });
  const approved = await app.post(tenant.live, `/payments/${id}/review`, { decision: "approve" });
  expect(approved.json).toMatchObject({ status: "succeeded", amount_captured: 1_000 });
});

test("whoever holds a stale fence cannot finish", async () => {
  const tenant = app.newTenant();
  const { id } = await killed(tenant, "after the score");
  await app.makeDue(id);
  const [first] = await takePayments(app.sql, 10, 15_000);
  await app.makeDue(id);
  const [second] = await takePayments(app.sql, 10, 15_000);
  if (first?.id !== id || second?.id !== id) throw new Error("the payment was not taken up twice");
  expect(second.fence).toBe(first.fence + 1);
  const cause = { requestId: null };
  const failed = { kind: "failed", error: { code: "card_declined", message: "no" } } as const;
  expect(await finishPayment(app.deps, first, scored, failed, cause)).toBeNull();
  expect((await app.payment(tenant.live, id)).status).toBe("processing");
  const captured = { kind: "captured", amount: 1_000 } as const;
  expect(await finishPayment(app.deps, second, scored, captured, cause)).not.toBeNull();
  expect(await history(id)).toMatchObject({ settled: ["succeeded"], sequences: [1, 2] });
});

test("a process that was overtaken answers with what the other one made of the payment", async () => {
  const tenant = app.newTenant();
  const gate = Promise.withResolvers<void>();
  const slow = app.replica({
    processor: (real) => ({
      ...real,
      async authorize(call) {
        const outcome = await real.authorize(call);
        await gate.promise;
        return outcome;
      },
    }),
  });
  const answer = slow.pay(tenant.live);
  const id = await eventually(async () => {
    const [row] = await app.sql<{ id: string }[]>`select id from payment where tenant_id = ${tenant.id}`;
    const [charge] = await app.charges(row === undefined ? [] : [row.id]);
    return charge?.key ?? false;
  });
  await app.makeDue(id);
  await app.recovery.runOnce();
  gate.resolve();
  expect((await answer).json).toMatchObject({ payment_id: id, status: "succeeded" });
  expect(await history(id)).toEqual({ calls: 1, settled: ["succeeded"], sequences: [1, 2] });
});

test("nobody calls the processor who holds a payment for less than the call's own deadline", async () => {
  const { id } = await killed(app.newTenant(), "after the claim");
  await app.makeDue(id);
  await recoveryOf(app.replica(), { recoveryLeaseMs: 300 }).runOnce();
  expect(await history(id)).toEqual({ calls: 0, settled: [], sequences: [1] });
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect(await history(id)).toEqual({ calls: 1, settled: ["succeeded"], sequences: [1, 2] });
});

test("two recoveries at once share the work, and no payment has two effects", async () => {
  const tenant = app.newTenant();
  const ids: string[] = [];
  for (let index = 0; index < 60; index += 1) {
    const point = Object.keys(crashPoints)[index % 4] ?? "";
    ids.push((await killed(tenant, point)).id);
  }
  await app.sql`update payment set due_at = now() - interval '1 second' where id = any(${ids}::text[])`;
  const recoveries = [recoveryOf(app.replica()), recoveryOf(app.replica()), app.recovery];
  const taken = await Promise.all(recoveries.map((recovery) => recovery.runOnce()));
  expect(taken.reduce((sum, count) => sum + count, 0)).toBe(60);
  for (const id of ids) {
    expect(await history(id)).toEqual({ calls: 1, settled: ["succeeded"], sequences: [1, 2] });
  }
});

test("recovery that runs by itself finds due work, outlives a piece that fails, and stops when told", async () => {
  const tenant = app.newTenant();
  const poisoned = app.replica({
    processor: (real) => ({
      ...real,
      async inquire(key) {
        if (key === bad.id) return { kind: "done", amount: 1 };
        return real.inquire(key);
      },
    }),
  });
  const bad = await killed(tenant, "after the claim");
  const good = await killed(tenant, "after the charge");
  await app.makeDue(bad.id);
  await app.makeDue(good.id);
  const recovery = recoveryOf(poisoned);
  recovery.start();
  await eventually(async () => (await app.payment(tenant.live, good.id)).status === "succeeded");
  await recovery.stop();
  expect((await app.payment(tenant.live, bad.id)).status).toBe("processing");
  await app.makeDue(bad.id);
  await app.recovery.runOnce();
  expect((await app.payment(tenant.live, bad.id)).status).toBe("succeeded");
});
