import { afterAll, expect, test } from "bun:test";
import { consume } from "@payflow/service-kit/bus/consumers.ts";
import { consumers } from "../../src/consumers.ts";
import { OutcomeUnknown, type Processor } from "../../src/processor/processor.ts";
import { holdFrom } from "../../src/recovery/hold.ts";
import { finishRefund } from "../../src/refunds/drive-refund.ts";
import { takeRefunds } from "../../src/refunds/refunds.store.ts";
import type { TestTenant } from "../payment-app.ts";
import { flagged, recoveryOf, startRecoveryApp } from "./recovery-app.ts";

const app = await startRecoveryApp();
afterAll(() => app.close());
const handlers = consumers({ sql: app.sql, wakeRecovery: () => {}, onEvents: () => {} });
type Flag = ReturnType<typeof flagged>;
const take = (...events: Flag[]) => consume(handlers, "fraud.flagged", events);

const declined = { kind: "failed", error: { code: "refund_declined", message: "No." } } as const;
const silent = app.replica({
  processor: (real) => ({ ...real, refund: () => Promise.reject(new OutcomeUnknown("no answer")) }),
});

/** A payment of 900 with a refund that nobody has an answer about. */
async function pendingRefund(tenant: TestTenant, amount: number) {
  const { json } = await app.pay(tenant.live, { amount: 900 });
  const sent = await silent.send("POST", `/payments/${json.payment_id}/refunds`, {
    key: tenant.live,
    idempotencyKey: crypto.randomUUID(),
    body: { amount },
  });
  if (sent.json.status !== "processing") throw new Error(`not pending: ${sent.text}`);
  return { id: json.payment_id, refundId: String(sent.json.refund_id) };
}

/** A recovery for which the processor answers about that one refund as given. */
function recoveryWith(refundId: string, answer: Awaited<ReturnType<Processor["refund"]>>) {
  const replica = app.replica({
    processor: (real) => ({
      ...real,
      refund: (call) => (call.key === refundId ? Promise.resolve(answer) : real.refund(call)),
    }),
  });
  return recoveryOf(replica);
}

/** Takes up the payment's refund as a recovery does. */
async function taken(id: string, refundId: string) {
  await app.makeDue(id);
  const refund = (await takeRefunds(app.sql, 100, 15_000)).find((one) => one.id === refundId);
  if (refund === undefined) throw new Error(`${refundId} was not due`);
  return { refund, hold: holdFrom(performance.now(), refund.fence, 15_000) };
}

/** The payment's refunds, oldest first, and how many flags wait. */
async function state(id: string) {
  const refunds = await app.sql<{ amount: number; status: string; flag: string | null }[]>`
    select amount::int, status, flag_event_id as flag from refund where payment_id = ${id} order by created_at, id`;
  const [flags] = await app.sql<{ waiting: number }[]>`
    select count(*)::int as waiting from flag where payment_id = ${id} and applied_at is null`;
  return { refunds: refunds.map((one) => ({ ...one })), waiting: flags?.waiting };
}

test.each([
  ["part of a payment", 400],
  ["all of a payment", 900],
])("a refund of %s that fails after the flag is given back by the flag", async (_what, amount) => {
  const tenant = app.newTenant();
  const { id, refundId } = await pendingRefund(tenant, amount);
  const event = flagged(tenant, id, { refund: true });
  await take(event);
  expect(await app.recovery.runOnce()).toBe(0);
  expect(await state(id)).toEqual({ refunds: [{ amount, status: "processing", flag: null }], waiting: 1 });
  expect((await app.payment(tenant.live, id)).fraud.late_flag).toBeTrue();
  await app.makeDue(id);
  await recoveryWith(refundId, declined).runOnce();
  await take(event);
  await app.recovery.runOnce();
  await take(event);
  expect(await app.recovery.runOnce()).toBe(0);
  expect(await state(id)).toEqual({
    refunds: [
      { amount, status: "failed", flag: null },
      { amount: 900, status: "succeeded", flag: event.event_id },
    ],
    waiting: 0,
  });
  expect(await app.payment(tenant.live, id)).toMatchObject({ amount_refunded: 900 });
  expect(await app.followUps(id)).toEqual([{ action: "refund", amount: 900, error_code: null, calls: 1 }]);
  const events = await app.events(id);
  expect(events.map((one) => [one.sequence, one.type])).toEqual([
    [1, "payment.created"],
    [2, "payment.settled"],
    [3, "refund.initiated"],
    [4, "refund.settled"],
    [5, "refund.initiated"],
    [6, "refund.settled"],
  ]);
});

test.each([
  [400, [500]],
  [900, []],
])("a pending refund of %i that succeeds leaves only the rest to the flag", async (amount, rest) => {
  const tenant = app.newTenant();
  const { id } = await pendingRefund(tenant, amount);
  await take(flagged(tenant, id, { refund: true }));
  await app.makeDue(id);
  await app.recovery.runOnce();
  await app.recovery.runOnce();
  const { refunds, waiting } = await state(id);
  expect(refunds.map((one) => one.amount)).toEqual([amount, ...rest]);
  expect(waiting).toBe(0);
  expect(await app.payment(tenant.live, id)).toMatchObject({ amount_refunded: 900 });
});

test("a flag that comes while the processor is asked is applied by the request that ends the refund", async () => {
  const tenant = app.newTenant();
  const { json } = await app.pay(tenant.live, { amount: 900 });
  const flagging = app.replica({
    processor: (real) => ({
      ...real,
      async refund() {
        await take(flagged(tenant, json.payment_id, { refund: true }));
        return declined;
      },
    }),
  });
  const path = `/payments/${json.payment_id}/refunds`;
  const send = { key: tenant.live, idempotencyKey: crypto.randomUUID(), body: { amount: 100 } };
  expect((await flagging.send("POST", path, send)).json.status).toBe("failed");
  await app.recovery.runOnce();
  expect(await app.payment(tenant.live, json.payment_id)).toMatchObject({ amount_refunded: 900 });
});

test("the flag waits for the last of several pending refunds", async () => {
  const tenant = app.newTenant();
  const { id, refundId } = await pendingRefund(tenant, 300);
  const path = `/payments/${id}/refunds`;
  const send = { key: tenant.live, idempotencyKey: crypto.randomUUID(), body: { amount: 200 } };
  const second = await silent.send("POST", path, send);
  await take(flagged(tenant, id, { refund: true }));
  await app.sql`update refund set due_at = now() - interval '1 second' where id = ${refundId}`;
  await recoveryWith(refundId, declined).runOnce();
  expect((await state(id)).waiting).toBe(1);
  await app.makeDue(id);
  await recoveryWith(second.json.refund_id, declined).runOnce();
  await app.recovery.runOnce();
  expect((await state(id)).refunds.map((one) => [one.amount, one.status])).toEqual([
    [300, "failed"],
    [200, "failed"],
    [900, "succeeded"],
  ]);
});

test("a flag that was left waiting by whoever ended the refund is found by recovery", async () => {
  const tenant = app.newTenant();
  const { id, refundId } = await pendingRefund(tenant, 400);
  await take(flagged(tenant, id, { refund: true }));
  await app.sql.begin(async (transaction) => {
    await transaction`
      update refund set status = 'failed', settled_at = now(), due_at = null where id = ${refundId}`;
    await transaction`update payment set refund_pending = 0, sequence = sequence + 1 where id = ${id}`;
  });
  await app.recovery.runOnce();
  await app.recovery.runOnce();
  expect(await state(id)).toMatchObject({
    refunds: [{ status: "failed" }, { amount: 900, status: "succeeded" }],
    waiting: 0,
  });
});

test("whoever ends the refund under a stale fence applies nothing", async () => {
  const tenant = app.newTenant();
  const { id, refundId } = await pendingRefund(tenant, 400);
  await take(flagged(tenant, id, { refund: true }));
  const stale = await taken(id, refundId);
  const held = await taken(id, refundId);
  expect(await finishRefund(app.deps, stale.refund, stale.hold, declined)).toBeNull();
  expect((await state(id)).waiting).toBe(1);
  expect(await finishRefund(app.deps, held.refund, held.hold, declined)).not.toBeNull();
  expect((await state(id)).waiting).toBe(0);
});

test("a flag and the end of a refund at the same moment give everything back, once", async () => {
  const tenant = app.newTenant();
  for (let round = 0; round < 20; round += 1) {
    const outcome = round % 2 === 0 ? declined : ({ kind: "done", amount: 400 } as const);
    const { id, refundId } = await pendingRefund(tenant, 400);
    const { refund, hold } = await taken(id, refundId);
    const event = flagged(tenant, id, { refund: true });
    await Promise.all([
      finishRefund(app.deps, refund, hold, outcome),
      take(event),
      finishRefund(silent.deps, refund, hold, outcome),
      take(event, flagged(tenant, id, { decision: "review" })),
    ]);
    const { refunds, waiting } = await state(id);
    expect([refunds.map((one) => one.amount), waiting]).toEqual([[400, outcome === declined ? 900 : 500], 0]);
  }
});
