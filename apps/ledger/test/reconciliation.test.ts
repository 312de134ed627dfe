import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { newHolder } from "@payflow/service-kit/store/lease.ts";
import { tick } from "../src/reconciliation/reconciler.ts";
import { type LedgerDatabase, ledgerDatabase, newOwner, paymentSettled, replica } from "./fixture/ledger.ts";
import {
  minutesAgo,
  type ReconcilerOptions,
  reconcilerOf,
  settle,
  tellPayments,
} from "./fixture/reconciliation.ts";
import {
  type SettlementsServer,
  settlementOf,
  startSettlementsServer,
} from "./fixture/settlements-server.ts";

// A page of few rows makes every run cross many pages.
const pageSize = 7;
const holder = newHolder("ledger-test");
const running = new AbortController().signal;

let database: LedgerDatabase;
let payment: SettlementsServer;

beforeAll(async () => {
  database = await ledgerDatabase();
});
afterAll(() => database.close());

beforeEach(async () => {
  await database.admin`alter table transfer disable trigger transfer_append_only`;
  await database.admin`truncate transfer, account, reconciliation cascade`;
  await database.admin`alter table transfer enable always trigger transfer_append_only`;
  payment?.stop();
  payment = startSettlementsServer(pageSize);
});
afterAll(() => payment.stop());

/** Asks for a run as the admin route does, carries it out, and tells what it found. */
async function reconcileNow(
  window: { from?: Date; to?: Date } = {},
  options: ReconcilerOptions = {},
  kind: "on_demand" | "full" | "continuous" = "on_demand",
) {
  const deps = reconcilerOf(database.sql, payment, options);
  const { runs } = deps.reconcile;
  const { reconciliationId } = await runs.insert({
    reconciliationId: newId("rec"),
    kind,
    fromAt: window.from ?? null,
    toAt: window.to ?? null,
    requestedAt: await runs.now(),
  });
  await tick(deps, holder, running);
  const run = await runs.find(reconciliationId);
  if (run === undefined) throw new Error("the run is gone");
  const findings = await runs.findings(reconciliationId, undefined, 100);
  return { deps, run, findings, named: findings.map(({ kind, subject }) => `${kind} ${subject}`).sort() };
}

/** As somebody with all rights over the database could. */
async function tamper(statement: string): Promise<void> {
  await database.admin.begin(async (transaction) => {
    await transaction.unsafe("set local session_replication_role = replica");
    await transaction.unsafe("alter table transfer disable trigger user");
    await transaction.unsafe(statement);
    await transaction.unsafe("alter table transfer enable always trigger transfer_append_only");
    await transaction.unsafe("alter table transfer enable always trigger transfer_one_owner");
  });
}

function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new Error("there is none");
  return item;
}

describe("a clean set", () => {
  test("has no findings, over many pages, and everything was compared", async () => {
    const told = tellPayments(60);
    await settle(database.sql, payment, told);
    const { run, named } = await reconcileNow();
    expect(named).toEqual([]);
    expect(run).toMatchObject({
      status: "completed",
      settlements: told.captures.length + told.refunds.length,
      accounts: 6,
      findings: 0,
    });
    const [booked] = await database.sql<{ count: number }[]>`select count(*)::int as count from transfer`;
    expect(run.transfers).toBe(booked?.count ?? 0);
  });

  test("needs no look-ups where both books agree on times", async () => {
    await settle(database.sql, payment, tellPayments(60));
    await reconcileNow();
    expect(payment.calls.lookups).toBe(0);
  });

  test("has none when payment keeps its times in another precision or order", async () => {
    const told = tellPayments(30);
    await settle(database.sql, payment, told);
    for (const [index, [id, one]] of [...payment.books].entries()) {
      const at = new Date(Date.parse(one.settled_at ?? "") + ((index * 37) % 11) * 1_000).toISOString();
      payment.books.set(id, { ...one, settled_at: at });
    }
    expect((await reconcileNow()).named).toEqual([]);
  });

  test("has none in a window that cuts through it, nor when there is nothing at all", async () => {
    expect((await reconcileNow()).named).toEqual([]);
    await settle(database.sql, payment, tellPayments(40));
    const at = first([...payment.books.values()].slice(20)).settled_at ?? "";
    const { run, named } = await reconcileNow({ from: new Date(at), to: minutesAgo(1) });
    expect(named).toEqual([]);
    expect(run.settlements).toBeLessThan(payment.books.size);
    expect(run.settlements).toBeGreaterThan(0);
  });

  test("has none while payments go on: what settled within the grace or waits in the outbox is left alone", async () => {
    await settle(database.sql, payment, tellPayments(20));
    const inFlight = settlementOf(paymentSettled(newOwner(), { at: new Date() }));
    payment.books.set(inFlight.id, inFlight);
    expect((await reconcileNow()).named).toEqual([]);

    const stuckSince = minutesAgo(4);
    const stuck = settlementOf(paymentSettled(newOwner(), { at: stuckSince }));
    payment.books.set(stuck.id, stuck);
    payment.outboxSince = stuckSince;
    expect((await reconcileNow()).named).toEqual([]);
    payment.outboxSince = undefined;
    expect((await reconcileNow()).named).toEqual([`missing_in_ledger capture:${stuck.id}`]);
  });

  test("has none when the event is still on the bus: the run waits until the ledger has read it", async () => {
    const event = paymentSettled(newOwner(), { at: minutesAgo(5) });
    const settlement = settlementOf(event);
    payment.books.set(settlement.id, settlement);
    let asked = 0;
    const lag = async () => {
      asked += 1;
      if (asked === 2) await replica(database.sql).handlers["payment.settled"]([event]);
      return { events: asked < 3 ? 1 : 0, seconds: 300 };
    };
    const { run, named } = await reconcileNow({}, { lag });
    expect(named).toEqual([]);
    expect(run.status).toBe("completed");
    expect(asked).toBe(3);
  });
});

describe("a seeded fault is found and named:", () => {
  test("missing_in_ledger, of a payment and of a refund", async () => {
    await settle(database.sql, payment, tellPayments(20));
    const lost = tellPayments(2);
    for (const event of [...lost.captures, ...lost.refunds]) {
      payment.books.set(settlementOf(event).id, settlementOf(event));
    }
    const { findings, named, run, deps } = await reconcileNow();
    expect(named).toEqual(
      [
        ...lost.captures.map((event) => `missing_in_ledger capture:${event.data.payment_id}`),
        ...lost.refunds.map((event) => `missing_in_ledger refund:${event.data.refund_id}`),
      ].sort(),
    );
    expect(run.findings).toBe(4);
    const about = first(findings.filter((one) => one.paymentId === first(lost.captures).data.payment_id));
    expect(about).toMatchObject({
      tenantId: first(lost.captures).tenant_id,
      currency: "INR",
      journalId: null,
    });
    expect(await deps.observed.text()).toContain(
      'payflow_ledger_reconciliation_findings_total{kind="missing_in_ledger",service="ledger-test"} 4',
    );
  });

  test("missing_in_payment", async () => {
    const told = tellPayments(20);
    await settle(database.sql, payment, told);
    const capture = first(told.captures);
    const refund = first(told.refunds.filter((event) => event.data.status === "succeeded"));
    payment.books.delete(capture.data.payment_id);
    payment.books.delete(refund.data.refund_id);
    const { findings, named } = await reconcileNow();
    expect(named).toEqual([
      `missing_in_payment capture:${capture.data.payment_id}`,
      `missing_in_payment refund:${refund.data.refund_id}`,
    ]);
    expect(findings.every((one) => one.journalId?.startsWith("jrn_"))).toBe(true);
  });

  test("amount_mismatch, of amount and of currency", async () => {
    const told = tellPayments(20);
    await settle(database.sql, payment, told);
    const [one, other] = told.captures.map(settlementOf);
    if (one === undefined || other === undefined) throw new Error("twenty were told");
    payment.books.set(one.id, { ...one, amount: one.amount + 5 });
    payment.books.set(other.id, { ...other, currency: "USD" });
    const { findings, named } = await reconcileNow();
    expect(named).toEqual([one, other].map(({ id }) => `amount_mismatch capture:${id}`).sort());
    expect(findings.find((finding) => finding.paymentId === one.id)).toMatchObject({
      expected: `${one.amount + 5} INR`,
      found: `${one.amount} INR`,
    });
  });

  test("status_mismatch: booked, but failed, or still open, at payment", async () => {
    const told = tellPayments(20);
    await settle(database.sql, payment, told);
    const [one, other] = told.captures.map(settlementOf);
    if (one === undefined || other === undefined) throw new Error("twenty were told");
    payment.books.set(one.id, { ...one, status: "failed", amount: 0 });
    payment.books.set(other.id, { ...other, status: "processing", settled_at: null });
    const { findings, named } = await reconcileNow();
    expect(named).toEqual([one, other].map(({ id }) => `status_mismatch capture:${id}`).sort());
    expect(findings.map((finding) => finding.expected).sort()).toEqual(["failed", "processing"]);
  });

  test("another tenant's or mode's: missing on both sides", async () => {
    const told = tellPayments(20);
    await settle(database.sql, payment, told);
    const one = settlementOf(first(told.captures));
    payment.books.set(one.id, { ...one, mode: one.mode === "live" ? "test" : "live" });
    const { findings, named } = await reconcileNow();
    expect(named).toEqual([`missing_in_ledger capture:${one.id}`, `missing_in_payment capture:${one.id}`]);
    expect(new Set(findings.map((finding) => finding.mode))).toEqual(new Set(["live", "test"]));
  });

  test("balance_drift, of a changed sum, a lost account and a changed row", async () => {
    const told = tellPayments(20);
    await settle(database.sql, payment, told);
    const [tenant, other] = [...new Set(told.captures.map((event) => event.tenant_id))];
    await tamper(`update account set credits = credits + 1
                   where tenant_id = '${tenant}' and account = 'tenant_payable'`);
    await tamper(`delete from account where tenant_id = '${other}' and account = 'processor_clearing'`);
    const { findings, named } = await reconcileNow();
    expect(named.map((name) => name.replace(/ten_\w+/, "…"))).toEqual([
      "balance_drift account:…/live/INR/tenant_payable",
      "balance_drift account:…/test/INR/processor_clearing",
    ]);
    expect(findings.find((one) => one.tenantId === other)).toMatchObject({
      account: "processor_clearing",
      found: "debits 0, credits 0",
    });
  });

  test("all five at once, by a full, a continuous and an on-demand run alike, which repair nothing", async () => {
    const told = tellPayments(40);
    await settle(database.sql, payment, told);
    const [amount, status, gone] = told.captures.map(settlementOf);
    const lost = settlementOf(paymentSettled(newOwner(), { at: minutesAgo(6) }));
    if (amount === undefined || status === undefined || gone === undefined)
      throw new Error("forty were told");
    payment.books.set(amount.id, { ...amount, amount: amount.amount - 1 });
    payment.books.set(status.id, { ...status, status: "voided", amount: 0 });
    payment.books.delete(gone.id);
    payment.books.set(lost.id, lost);
    await tamper(
      "update account set debits = debits + 1 where account = 'processor_clearing' and mode = 'test'",
    );
    const before = await database.sql`select * from account order by 1, 2, 3, 4`;

    for (const kind of ["full", "continuous", "on_demand"] as const) {
      const { named, run } = await reconcileNow({}, {}, kind);
      expect(named.map((name) => name.split(" ")[0])).toEqual([
        "amount_mismatch",
        "balance_drift",
        "missing_in_ledger",
        "missing_in_payment",
        "status_mismatch",
      ]);
      expect(run).toMatchObject({ status: "completed", kind });
    }
    expect([...(await database.sql`select * from account order by 1, 2, 3, 4`)]).toEqual([...before]);
  });
});
