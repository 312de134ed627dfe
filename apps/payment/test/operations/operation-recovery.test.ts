import { afterAll, expect, test } from "bun:test";
import { defaultLimits, scopes } from "@payflow/contracts/access.ts";
import { requestKey } from "../../src/idempotency/idempotency.ts";
import { finishOperation } from "../../src/operations/drive-operation.ts";
import { claimOperation } from "../../src/operations/operate.ts";
import { OutcomeUnknown } from "../../src/processor/processor.ts";
import type { TestTenant } from "../payment-app.ts";
import { recoveryOf, startRecoveryApp } from "../recovery/recovery-app.ts";

const app = await startRecoveryApp();
afterAll(() => app.close());
app.fraud.decide(({ customer_id }) => (customer_id === "suspect" ? { decision: "review" } : {}));

const kinds = ["capture", "void", "approve", "reject"] as const;
type Kind = (typeof kinds)[number];
const endings: Readonly<Record<Kind, readonly [string, "capture" | "void"]>> = {
  capture: ["succeeded", "capture"],
  void: ["voided", "void"],
  approve: ["succeeded", "capture"],
  reject: ["voided", "void"],
};

/** An operation that was opened by a process which then died. */
async function opened(tenant: TestTenant, kind: Kind) {
  const isReview = kind === "approve" || kind === "reject";
  const body = isReview ? { customer_id: "suspect" } : { capture_method: "manual" };
  const { json } = await app.pay(tenant.live, { amount: 900, ...body });
  const context = {
    tenantId: tenant.id,
    mode: "live" as const,
    keyId: "key_test",
    scopes,
    limits: defaultLimits,
    requestId: "req_killed",
  };
  const path = `/payments/${json.payment_id}/${isReview ? "review" : kind}`;
  const idempotencyKey = crypto.randomUUID();
  const asked = isReview ? { decision: kind } : {};
  const key = requestKey(context, path, idempotencyKey, asked, isReview ? ["decision"] : ["amount"]);
  const request = { paymentId: json.payment_id, kind, amount: null, key, isAsync: false };
  const claim = await claimOperation(app.deps, context, request);
  if (claim.kind !== "opened") throw new Error("the operation was not opened");
  const repeat = () => app.post(tenant.live, path, asked, idempotencyKey);
  return { id: json.payment_id, claim, repeat };
}

function call(kind: Kind, key: string, paymentId: string) {
  const about = { key, paymentId, notAfter: performance.now() + 2_000 };
  return endings[kind][1] === "capture"
    ? app.deps.processor.capture({ ...about, amount: 900 })
    : app.deps.processor.void(about);
}

test.each(kinds)(
  "a replica killed before it asked the processor leaves a %s that is done once",
  async (kind) => {
    const { id, repeat } = await opened(app.newTenant(), kind);
    expect((await repeat()).json.code).toBe("idempotency_in_progress");
    expect(await app.recovery.runOnce()).toBe(0);
    await app.makeDue(id);
    await recoveryOf(app.replica()).runOnce();
    const final = await repeat();
    expect([final.status, final.json.status]).toEqual([200, endings[kind][0]]);
    expect(await app.followUps(id)).toMatchObject([{ action: endings[kind][1], calls: 1 }]);
    expect((await app.events(id)).map((event) => event.sequence)).toEqual([1, 2, 3]);
  },
);

test.each(kinds)(
  "a replica killed after the processor's answer leaves a %s that is not asked for again",
  async (kind) => {
    const { id, claim, repeat } = await opened(app.newTenant(), kind);
    await call(kind, claim.operation.id, id);
    await app.makeDue(id);
    await app.recovery.runOnce();
    expect((await repeat()).json.status).toBe(endings[kind][0]);
    expect(await app.followUps(id)).toMatchObject([{ action: endings[kind][1], calls: 1 }]);
  },
);

test("whoever holds a stale fence cannot finish an operation, neither before nor after the other did", async () => {
  const tenant = app.newTenant();
  const { id, claim } = await opened(tenant, "capture");
  const silent = app.replica({
    processor: (real) => ({ ...real, inquire: () => Promise.reject(new OutcomeUnknown("away")) }),
  });
  await app.makeDue(id);
  await recoveryOf(silent).runOnce();
  const { operation, payment, hold } = claim;
  const done = { kind: "done", amount: 900 } as const;
  expect(await finishOperation(app.deps, operation, payment, hold, done)).toEqual({ kind: "unknown" });
  expect((await app.payment(tenant.live, id)).status).toBe("authorized");
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect(await finishOperation(app.deps, operation, payment, hold, done)).toEqual({ kind: "unknown" });
  expect(await app.payment(tenant.live, id)).toMatchObject({ status: "succeeded", amount_captured: 900 });
  expect((await app.events(id)).filter((event) => event.type === "payment.settled")).toHaveLength(1);
});

test("nobody asks the processor who holds an operation for less than the call's own deadline", async () => {
  const { id, repeat } = await opened(app.newTenant(), "capture");
  await app.makeDue(id);
  await recoveryOf(app.replica(), { recoveryLeaseMs: 300 }).runOnce();
  expect(await app.followUps(id)).toEqual([]);
  expect((await repeat()).json.code).toBe("idempotency_in_progress");
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect((await repeat()).status).toBe(200);
});

test("inquiries about an operation never end, and the metric tells that one is open", async () => {
  const tenant = app.newTenant();
  const { id } = await opened(tenant, "void");
  const silent = app.replica({
    processor: (real) => ({ ...real, inquire: () => Promise.reject(new OutcomeUnknown("away")) }),
  });
  const recovery = recoveryOf(silent);
  for (let inquiry = 0; inquiry < 5; inquiry += 1) {
    await app.makeDue(id);
    await recovery.runOnce();
    expect(await recovery.runOnce()).toBe(0);
  }
  expect((await app.payment(tenant.live, id)).status).toBe("authorized");
  expect(await silent.deps.metrics.text()).toMatch(/payflow_recovery_open_count\{kind="operation".*\} 1/);
  await app.makeDue(id);
  await app.recovery.runOnce();
  expect((await app.payment(tenant.live, id)).status).toBe("voided");
});

test("an expiry whose replica was killed is ended by another, and refused captures stay refused", async () => {
  const tenant = app.newTenant();
  const id = await app.authorized(tenant.live);
  await app.sql`
    insert into operation (id, payment_id, kind, due_at) values (gen_random_uuid(), ${id}, 'expire', now() - interval '1 second')`;
  expect((await app.post(tenant.live, `/payments/${id}/capture`)).json.detail).toContain("expire");
  await app.recovery.runOnce();
  expect((await app.payment(tenant.live, id)).status).toBe("expired");
  expect((await app.post(tenant.live, `/payments/${id}/capture`)).json.detail).toContain("expired");
});

test("several recoveries at once end each operation and each expiry once", async () => {
  const tenant = app.newTenant();
  const ids: string[] = [];
  for (let index = 0; index < 24; index += 1) {
    const kind = kinds[index % 4];
    if (kind === undefined) throw new Error("there are four kinds");
    ids.push((await opened(tenant, kind)).id);
    ids.push(await app.authorized(tenant.live));
  }
  await app.sql`update operation set due_at = now() - interval '1 second' where payment_id = any(${ids}::text[])`;
  await app.sql`update payment set due_at = now() - interval '1 second' where id = any(${ids}::text[]) and due_at is not null`;
  const recoveries = [recoveryOf(app.replica()), recoveryOf(app.replica()), app.recovery];
  const taken = await Promise.all(recoveries.map((recovery) => recovery.runOnce()));
  expect(taken.reduce((sum, count) => sum + count, 0)).toBe(48);
  for (const id of ids) {
    expect(await app.followUps(id)).toMatchObject([{ error_code: null, calls: 1 }]);
    const settled = (await app.events(id)).filter((event) => event.type === "payment.settled");
    expect(settled).toHaveLength(1);
  }
});
