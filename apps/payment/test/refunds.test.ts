import { afterAll, expect, test } from "bun:test";
import { defaultLimits, scopes } from "@payflow/contracts/access.ts";
import { requestKey } from "../src/idempotency/idempotency.ts";
import { OutcomeUnknown } from "../src/processor/processor.ts";
import { claimRefund } from "../src/refunds/create-refund.ts";
import { finishRefund } from "../src/refunds/drive-refund.ts";
import { createRefundFields } from "../src/refunds/refunds.contract.ts";
import { takeRefunds } from "../src/refunds/refunds.store.ts";
import { startRecoveryApp } from "./recovery/recovery-app.ts";

const app = await startRecoveryApp();
afterAll(() => app.close());

const sequences = (events: readonly { sequence: number }[]) => events.map((event) => event.sequence);
const countUp = (to: number) => Array.from({ length: to }, (_, index) => index + 1);

async function captured(key: string, amount = 900, payment_method = "pm_card_ok"): Promise<string> {
  const paid = await app.pay(key, { amount, payment_method });
  expect(paid.json.status).toBe("succeeded");
  return paid.json.payment_id;
}

test("fifty simultaneous refunds of a third never exceed the captured amount: three succeed", async () => {
  const { live } = app.newTenant();
  const id = await captured(live);
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => app.post(live, `/payments/${id}/refunds`, { amount: 300 })),
  );
  const made = answers.filter((answer) => answer.status === 201);
  expect(made.map((answer) => answer.json.status)).toEqual(["succeeded", "succeeded", "succeeded"]);
  const refused = answers.filter((answer) => answer.status === 422);
  expect(new Set(refused.map((answer) => answer.json.code))).toEqual(new Set(["refund_exceeds_captured"]));
  expect(refused).toHaveLength(47);
  expect(await app.payment(live, id)).toMatchObject({ status: "succeeded", amount_refunded: 900 });
  const ofProcessor = await app.followUps(id);
  expect(ofProcessor).toEqual(Array(3).fill({ action: "refund", amount: 300, error_code: null, calls: 1 }));
  const events = await app.events(id);
  expect(sequences(events)).toEqual(countUp(8));
  expect(events.filter((event) => event.type === "refund.initiated")).toHaveLength(3);
  expect(events.filter((event) => event.type === "refund.settled")).toHaveLength(3);
});

test("of fifty simultaneous refunds of all that is left, one takes it", async () => {
  const { live } = app.newTenant();
  const id = await captured(live, 1_000);
  expect((await app.post(live, `/payments/${id}/refunds`, { amount: 1 })).status).toBe(201);
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => app.post(live, `/payments/${id}/refunds`)),
  );
  const made = answers.filter((answer) => answer.status === 201);
  expect(made.map((answer) => answer.json.amount)).toEqual([999]);
  expect(answers.filter((answer) => answer.status === 422)).toHaveLength(49);
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: 1_000 });
});

test("refunds of every size at once, some failing at the processor, never leave more than was captured", async () => {
  const { live } = app.newTenant();
  const id = await captured(live, 1_000);
  const amounts = Array.from({ length: 30 }, (_, index) => (index % 5 === 0 ? undefined : 37 * (index + 1)));
  const answers = await Promise.all(
    amounts.map((amount) =>
      app.post(live, `/payments/${id}/refunds`, amount === undefined ? {} : { amount }),
    ),
  );
  const total = answers
    .filter((answer) => answer.status === 201)
    .reduce((sum, answer) => sum + answer.json.amount, 0);
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201, 422]));
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: total });
  expect(total).toBeLessThanOrEqual(1_000);
});

test("a failed refund gives its reservation back, and its answer is kept", async () => {
  const { live } = app.newTenant();
  const id = await captured(live, 900, "pm_card_refund_fails");
  const failed = await app.post(live, `/payments/${id}/refunds`, { amount: 900, reason: "Broken" }, "key-1");
  expect(failed.status).toBe(201);
  expect(failed.json).toMatchObject({ status: "failed", amount: 900, reason: "Broken" });
  expect(failed.json.error.code).toBe("refund_declined");
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: 0 });
  const [row] = await app.sql`select refund_pending::int from payment where id = ${id}`;
  expect(row).toEqual({ refund_pending: 0 });
  expect((await app.post(live, `/payments/${id}/refunds`, { amount: 900 })).status).toBe(201);
  const again = await app.post(live, `/payments/${id}/refunds`, { amount: 900, reason: "Broken" }, "key-1");
  expect(again.text).toBe(failed.text);
  expect(again.headers.get("idempotent-replayed")).toBe("true");
  const settled = (await app.events(id)).find((event) => event.type === "refund.settled");
  expect(settled.data).toMatchObject({ status: "failed", error: { code: "refund_declined" } });
});

test("a repeat with the same key refunds once and answers byte for byte the same", async () => {
  const { live } = app.newTenant();
  const id = await captured(live);
  const path = `/payments/${id}/refunds`;
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => app.post(live, path, { amount: 100 }, "once")),
  );
  expect(new Set(answers.map((answer) => answer.status)).isSubsetOf(new Set([201, 409]))).toBeTrue();
  const repeated = await app.post(live, path, { amount: 100 }, "once");
  expect(repeated.status).toBe(201);
  expect(repeated.headers.get("idempotent-replayed")).toBe("true");
  for (const answer of answers) if (answer.status === 201) expect(answer.text).toBe(repeated.text);
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: 100 });
  const other = await app.post(live, path, { amount: 101 }, "once");
  expect([other.status, other.json.code, other.json.errors[0].pointer]).toEqual([
    422,
    "idempotency_key_reused",
    "/amount",
  ]);
});

test("a refund whose answer is late is 202, settled by inquiry, and then answered 201", async () => {
  let isLost = true;
  const careless = app.replica({
    processor: (real) => ({
      ...real,
      async refund(call) {
        const outcome = await real.refund(call);
        if (isLost) throw new OutcomeUnknown("the line was cut");
        return outcome;
      },
    }),
  });
  const { live } = app.newTenant();
  const id = await captured(live);
  const send = { key: live, idempotencyKey: "late", body: { amount: 400 } };
  const accepted = await careless.send("POST", `/payments/${id}/refunds`, send);
  expect([accepted.status, accepted.json.status]).toEqual([202, "processing"]);
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: 0 });
  expect((await app.post(live, `/payments/${id}/refunds`, { amount: 501 })).status).toBe(422);
  expect((await careless.send("POST", `/payments/${id}/refunds`, send)).text).toBe(accepted.text);
  isLost = false;
  await app.makeDue(id);
  await app.recovery.runOnce();
  const final = await app.send("POST", `/payments/${id}/refunds`, send);
  expect([final.status, final.json.status]).toEqual([201, "succeeded"]);
  expect(await app.followUps(id)).toMatchObject([{ action: "refund", amount: 400, calls: 1 }]);
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: 400 });
});

test("a caller who prefers not to wait gets 202 and finds the refund settled", async () => {
  const { live } = app.newTenant();
  const id = await captured(live);
  const accepted = await app.send("POST", `/payments/${id}/refunds`, {
    key: live,
    idempotencyKey: "async",
    prefer: "respond-async",
  });
  expect([accepted.status, accepted.json.status, accepted.json.amount]).toEqual([202, "processing", 900]);
  await app.background.drain();
  const read = await app.send("GET", `/refunds/${accepted.json.refund_id}`, { key: live });
  expect(read.json).toMatchObject({ status: "succeeded", payment_id: id });
});

test("a refund killed before or after the processor's answer is settled once by whoever takes it up", async () => {
  const { id: tenantId, live } = app.newTenant();
  const id = await captured(live);
  const tenant = contextOf(tenantId);
  const claim = async (amount: number) => {
    const body = { amount };
    const key = requestKey(tenant, `/payments/${id}/refunds`, crypto.randomUUID(), body, createRefundFields);
    const claimed = await claimRefund(app.deps, tenant, { paymentId: id, body, key, isAsync: false });
    if (claimed.kind !== "reserved") throw new Error("was not reserved");
    return claimed;
  };
  const beforeCall = await claim(100);
  const afterCall = await claim(200);
  const notAfter = performance.now() + 2_000;
  const call = { key: afterCall.refund.id, notAfter, paymentId: id, amount: 200 };
  const outcome = await app.deps.processor.refund(call);
  expect(await app.recovery.runOnce()).toBe(0);
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect(await finishRefund(app.deps, afterCall.refund, afterCall.hold, outcome)).toBeNull();
  expect(
    await finishRefund(app.deps, beforeCall.refund, beforeCall.hold, { kind: "done", amount: 100 }),
  ).toBeNull();
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: 300 });
  const ofProcessor = await app.followUps(id);
  expect(ofProcessor.map((one) => [one.amount, one.calls]).sort()).toEqual([
    [100, 1],
    [200, 1],
  ]);
  expect(sequences(await app.events(id))).toEqual(countUp(6));
});

test("whoever holds a stale fence cannot settle a refund that another holds by now", async () => {
  const { id: tenantId, live } = app.newTenant();
  const id = await captured(live);
  const tenant = contextOf(tenantId);
  const key = requestKey(tenant, `/payments/${id}/refunds`, "stale", {}, createRefundFields);
  const claim = await claimRefund(app.deps, tenant, { paymentId: id, body: {}, key, isAsync: false });
  if (claim.kind !== "reserved") throw new Error("was not reserved");
  await app.makeDue(id);
  const [taken] = await takeRefunds(app.sql, 10, 15_000);
  expect([taken?.id, taken?.fence]).toEqual([claim.refund.id, claim.refund.fence + 1]);
  const failed = { kind: "failed", error: { code: "refund_declined", message: "no" } } as const;
  expect(await finishRefund(app.deps, claim.refund, claim.hold, failed)).toBeNull();
  const read = await app.send("GET", `/refunds/${claim.refund.id}`, { key: live });
  expect(read.json.status).toBe("processing");
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: 900 });
});

test("refunds are listed newest first in stable pages, and no other tenant or mode sees them", async () => {
  const { live, test: other } = app.newTenant();
  const stranger = app.newTenant();
  const id = await captured(live);
  const made: string[] = [];
  for (const amount of [1, 2, 3]) {
    made.push((await app.post(live, `/payments/${id}/refunds`, { amount })).json.refund_id);
  }
  const first = await app.send("GET", `/payments/${id}/refunds?limit=2`, { key: live });
  expect(first.json).toMatchObject({ has_more: true, data: [{ amount: 3 }, { amount: 2 }] });
  await app.post(live, `/payments/${id}/refunds`, { amount: 4 });
  const next = `/payments/${id}/refunds?limit=2&cursor=${first.json.next_cursor}`;
  const second = await app.send("GET", next, { key: live });
  expect(second.json).toMatchObject({ has_more: false, next_cursor: null, data: [{ refund_id: made[0] }] });
  expect((await app.send("GET", "/payments/x/refunds", { key: live })).status).toBe(404);
  for (const key of [other, stranger.live]) {
    expect((await app.send("GET", `/payments/${id}/refunds`, { key })).status).toBe(404);
    expect((await app.send("GET", `/refunds/${made[0]}`, { key })).status).toBe(404);
    expect((await app.post(key, `/payments/${id}/refunds`, { amount: 1 })).status).toBe(404);
  }
  const foreign = await app.send(
    "GET",
    `/payments/${await captured(live)}/refunds?cursor=${first.json.next_cursor}`,
    {
      key: live,
    },
  );
  expect([foreign.status, foreign.json.code]).toEqual([400, "invalid_cursor"]);
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: 10 });
});

test("refunds ask for their key, their scope and amounts that can be", async () => {
  const { live } = app.newTenant();
  const id = await captured(live);
  const path = `/payments/${id}/refunds`;
  const without = await app.send("POST", path, { key: live, body: { amount: 1 } });
  expect([without.status, without.json.code]).toEqual([400, "idempotency_key_required"]);
  const reader = await app.post(`${live}_read`, path, { amount: 1 });
  expect([reader.status, reader.json.code]).toEqual([403, "insufficient_scope"]);
  for (const body of [{ amount: 0 }, { amount: 1.5 }, { amount: "1" }, { reason: "a\nb" }, { other: 1 }]) {
    const refused = await app.post(live, path, body);
    expect([refused.status, refused.json.code]).toEqual([400, "invalid_request"]);
  }
  expect(await app.payment(live, id)).toMatchObject({ amount_refunded: 0 });
});

test("a refund without a reservation is refused straight in SQL", async () => {
  const { id: tenantId, live } = app.newTenant();
  const id = await captured(live);
  const insert = (amount: number) => app.sql`
    insert into refund (id, payment_id, tenant_id, mode, amount, currency, due_at)
    values ('ref_sneaky', ${id}, ${tenantId}, 'live', ${amount}, 'EUR', now())`;
  expect(async () => insert(1)).toThrow("has no reservation");
  expect(async () => app.sql`update payment set refund_pending = 901 where id = ${id}`).toThrow(
    "payment_refunded",
  );
});

function contextOf(tenantId: string) {
  return { tenantId, mode: "live" as const, keyId: "key", scopes, limits: defaultLimits, requestId: "req_1" };
}
