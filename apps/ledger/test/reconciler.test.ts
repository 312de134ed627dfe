import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { connectDatabase } from "@payflow/service-kit/store/database.ts";
import { acquireLease, newHolder } from "@payflow/service-kit/store/lease.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { FakeClock } from "@payflow/testkit/fake-clock.ts";
import { startReconciler, tick } from "../src/reconciliation/reconciler.ts";
import {
  createReconciliationStore,
  leaseName,
  ReconciliationLeaseLost,
} from "../src/reconciliation/reconciliation.store.ts";
import { type LedgerDatabase, ledgerDatabase, newOwner, paymentSettled } from "./fixture/ledger.ts";
import { minutesAgo, reconcilerOf, settle, tellPayments } from "./fixture/reconciliation.ts";
import {
  type SettlementsServer,
  settlementOf,
  startSettlementsServer,
} from "./fixture/settlements-server.ts";

const running = new AbortController().signal;
let database: LedgerDatabase;
let payment: SettlementsServer;

beforeAll(async () => {
  database = await ledgerDatabase();
});
beforeEach(async () => {
  await database.admin`truncate reconciliation, lease cascade`;
  await payment?.stop();
  payment = startSettlementsServer(5);
});
afterAll(async () => {
  await payment.stop();
  await database.close();
});

async function request() {
  const runs = createReconciliationStore(database.sql);
  return runs.insert({
    reconciliationId: newId("rec"),
    kind: "on_demand",
    fromAt: null,
    toAt: null,
    requestedAt: await runs.now(),
  });
}

const runsOf = (kind: string) =>
  database.sql<{ id: string; status: string; from: Date | null; to: Date | null; error: string | null }[]>`
    select reconciliation_id as id, status, from_at as "from", to_at as "to", error from reconciliation
     where kind = ${kind} order by requested_at`;

test("over two days by the store's clock: a chain of continuous runs without gaps, and one full run a night", async () => {
  const clock = new FakeClock(new Date(Date.now() - 3 * 86_400_000));
  const deps = {
    ...reconcilerOf(database.sql, payment, { now: async () => clock.date() }),
    schedule: { intervalSeconds: 3_600, nightly: "0 2 * * *" },
  };
  const holder = newHolder("ledger-test");
  for (let hour = 0; hour < 48; hour += 1) {
    await tick(deps, holder, running);
    clock.advance(3_600_000);
  }
  const continuous = await runsOf("continuous");
  expect(continuous).toHaveLength(48);
  expect(continuous[0]?.from).toBeNull();
  for (const [index, run] of continuous.entries()) {
    if (index > 0) expect(run.from).toEqual(continuous[index - 1]?.to ?? null);
    expect(run.status).toBe("completed");
  }
  expect(await runsOf("full")).toHaveLength(2);
});

test("two replicas: one reconciles, and the other takes over once it has stopped", async () => {
  const second = connectDatabase(database.serviceUrl, { name: "ledger-second", max: 2 });
  const [one, other] = [database.sql, second.sql].map((sql) => startReconciler(reconcilerOf(sql, payment)));
  if (one === undefined || other === undefined) throw new Error("two were started");
  try {
    await Promise.all([request(), request(), request()]);
    one.wake();
    await eventually(async () => (await runsOf("on_demand")).every((run) => run.status === "completed"));
    const [lease] = await database.sql<{ fence: number }[]>`select fence::int from lease`;
    expect(lease?.fence).toBe(1);
    expect(payment.calls.pages).toBe(6);
    await one.stop();
    const { reconciliationId } = await request();
    other.wake();
    await eventually(async () => {
      const runs = await runsOf("on_demand");
      return runs.find((run) => run.id === reconciliationId)?.status === "completed";
    });
  } finally {
    await Promise.all([one.stop(), other.stop()]);
    await second.close();
  }
});

test("a run whose replica died goes on where it stood, and the dead one's late writes are refused", async () => {
  await settle(database.sql, payment, tellPayments(20));
  const missing = settlementOf(paymentSettled(newOwner(), { at: minutesAgo(20) }));
  payment.books.set(missing.id, missing);
  const { reconciliationId } = await request();
  const runs = createReconciliationStore(database.sql);

  const dying = new AbortController();
  payment.onPage = () => payment.calls.pages === 4 && dying.abort();
  await tick(reconcilerOf(database.sql, payment), "replica that dies", dying.signal);
  const left = await runs.find(reconciliationId);
  expect(left).toMatchObject({ status: "running", settlements: 15, findings: 1 });

  // The lease runs out; tests do not wait for it.
  await database.admin`update lease set expires_at = now() - interval '1 second'`;
  const taken = { name: leaseName, holder: "replica that takes over", leaseSeconds: 15 };
  expect(await acquireLease(database.sql, taken)).toBe(2);
  const late = { settlements: 1, transfers: 0, accounts: 0, findings: [], position: null };
  await expect(runs.save(reconciliationId, late, 1)).rejects.toBeInstanceOf(ReconciliationLeaseLost);
  const outcome = { status: "failed" as const, error: "late", now: new Date() };
  await runs.finish(reconciliationId, outcome, 1);
  await tick(reconcilerOf(database.sql, payment), "replica that takes over", running);
  const ended = await runs.find(reconciliationId);
  expect(ended).toMatchObject({
    status: "completed",
    settlements: payment.books.size,
    findings: 1,
    startedAt: left?.startedAt,
    toAt: left?.toAt,
  });
});

test("payment away: the run waits, says so, and goes on by itself", async () => {
  payment.isAway = true;
  const { reconciliationId } = await request();
  const reconciler = startReconciler(reconcilerOf(database.sql, payment));
  const runs = createReconciliationStore(database.sql);
  try {
    await eventually(async () => (await runs.find(reconciliationId))?.error?.includes("payment") === true);
    payment.isAway = false;
    await eventually(async () => (await runs.find(reconciliationId))?.status === "completed");
    expect((await runs.find(reconciliationId))?.error).toBeNull();
  } finally {
    await reconciler.stop();
  }
});

test("a bus that does not get read puts the run off instead of naming what is on its way", async () => {
  const settlement = settlementOf(paymentSettled(newOwner(), { at: minutesAgo(20) }));
  payment.books.set(settlement.id, settlement);
  const { reconciliationId } = await request();
  const lag = async () => ({ events: 5, seconds: 1_000 });
  await tick(reconcilerOf(database.sql, payment, { lag, catchUpSeconds: 0 }), "replica", running);
  const run = await createReconciliationStore(database.sql).find(reconciliationId);
  expect(run).toMatchObject({ status: "running", findings: 0 });
  expect(run?.error).toContain("event bus");
});

test("old runs are dropped with what they found; the newest completed of each kind stays", async () => {
  const runs = createReconciliationStore(database.sql);
  const old = ["a", "b"].map((name, index) => ({ name, at: minutesAgo(60 * 24 * (40 - index)) }));
  for (const { name, at } of old) {
    await database.sql`
      insert into reconciliation (reconciliation_id, kind, status, requested_at)
      values (${`rec_${name}`}, 'full', 'completed', ${at})`;
    await database.sql`
      insert into reconciliation_finding (reconciliation_id, kind, subject, tenant_id, mode, currency, detail)
      values (${`rec_${name}`}, 'balance_drift', 's', 'ten_x', 'live', 'INR', 'd')`;
  }
  expect(await runs.prune()).toBe(1);
  expect((await runsOf("full")).map((run) => run.id)).toEqual(["rec_b"]);
  expect([...(await database.sql`select reconciliation_id as id from reconciliation_finding`)]).toEqual([
    { id: "rec_b" },
  ]);
});
