import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import type { TransactionSql } from "postgres";
import { adminCall, call, pay, raiseLimits, registerTenant, type TestTenant } from "./platform/platform.ts";
import { shortWaits, Traffic } from "./platform/traffic.ts";
import { Truth } from "./platform/truth.ts";

setDefaultTimeout(120_000);

const loadRounds = process.env.PAYFLOW_THOROUGH === undefined ? 4 : 30;

let installation: RunningInstallation;
let truth: Truth;

beforeAll(async () => {
  installation = await startInstallation({
    replicas: 2,
    isDurable: false,
    // Nothing is spared for being recent: what the window's end and the bus's lag say must be enough.
    env: { RECONCILIATION_GRACE_SECONDS: "0", ...shortWaits },
  });
  truth = new Truth(installation);
}, 90_000);

afterAll(async () => {
  await truth?.close();
  await installation?.stop();
});

interface Found {
  readonly kind: string;
  readonly tenant_id: string;
  readonly payment_id: string | null;
  readonly refund_id: string | null;
  readonly account: string | null;
  readonly expected: string | null;
  readonly found: string | null;
}

interface Run {
  readonly findings_count: number;
  readonly settlements_compared: number;
  readonly transfers_compared: number;
  readonly accounts_compared: number;
  readonly findings_by_kind: Readonly<Record<string, number>>;
  readonly all: readonly Found[];
}

/** Asks for a run as the platform's owner does, waits for its end, and answers everything it found. */
async function reconcile(body: Record<string, string> = {}): Promise<Run> {
  const asked = await adminCall(installation, "ledger", "POST", "/ledger/reconciliations", body);
  expect(asked.status).toBe(202);
  const path = `/ledger/reconciliations/${asked.body.reconciliation_id}`;
  const run = await eventually(
    async () => {
      const answer = await adminCall(installation, "ledger", "GET", `${path}?limit=100`);
      expect([answer.body.status, answer.body.error]).toEqual(["completed", null]);
      return answer.body;
    },
    { timeoutMs: 60_000, everyMs: 100 },
  );
  // Tests seed far fewer than a page.
  return { ...run, all: run.findings.data };
}

/** A tenant of the test's own with a captured payment and a refund, both booked. */
async function bookedPayment(): Promise<{ tenant: TestTenant; paymentId: string; refundId: string }> {
  const tenant = await registerTenant(installation);
  const paid = await pay(installation, tenant.liveKey, { amount: 5_000 });
  const paymentId = paid.body.payment_id;
  const url = `${installation.url("payment")}/payments/${paymentId}/refunds`;
  const refunded = await call(url, "POST", { key: tenant.liveKey, body: { amount: 1_000 } });
  await eventually(async () => {
    const rows = await truth.ledger`select 1 from transfer where payment_id = ${paymentId}`;
    expect(rows.length).toBe(2);
  });
  return { tenant, paymentId, refundId: refunded.body.refund_id };
}

async function refund(tenant: TestTenant, paymentId: string, amount: number): Promise<number> {
  const url = `${installation.url("payment")}/payments/${paymentId}/refunds`;
  return (await call(url, "POST", { key: tenant.liveKey, body: { amount } })).status;
}

/** Triggers that fire even for the server's administrator when it plays a replica's part. */
const alwaysOn: Readonly<Record<"ledger" | "payment", readonly [string, string][]>> = {
  ledger: [
    ["transfer", "transfer_append_only"],
    ["transfer", "transfer_one_owner"],
  ],
  payment: [],
};

/** As the server's administrator, past every trigger: what no role of ours may do. */
const tamper = (database: "ledger" | "payment", change: (sql: TransactionSql) => Promise<unknown>) =>
  truth[database].begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    for (const [table, trigger] of alwaysOn[database]) {
      await sql`alter table ${sql(table)} disable trigger ${sql(trigger)}`;
    }
    await change(sql);
    for (const [table, trigger] of alwaysOn[database]) {
      await sql`alter table ${sql(table)} enable always trigger ${sql(trigger)}`;
    }
  });

/** Makes the accounts of a tenant what its rows add up to, so that a seeded fault is of one kind only. */
const balanceAgain = (sql: TransactionSql, tenantId: string) => sql`
  update account set
    debits = coalesce((select sum(amount) from transfer t where t.tenant_id = ${tenantId}
      and t.debit_account = account.account), 0),
    credits = coalesce((select sum(amount) from transfer t where t.tenant_id = ${tenantId}
      and t.credit_account = account.account), 0)
   where tenant_id = ${tenantId}`;

describe("a clean set", () => {
  test("reports nothing, once everything has settled", async () => {
    await bookedPayment();
    await truth.settled();
    const run = await reconcile();
    expect(run.findings_count).toBe(0);
    expect(run.settlements_compared).toBeGreaterThanOrEqual(2);
    expect(run.transfers_compared).toBeGreaterThanOrEqual(2);
    expect(run.accounts_compared).toBeGreaterThanOrEqual(2);
  });

  test("reports nothing under load, while payments, refunds and recoveries are under way", async () => {
    const tenant = await registerTenant(installation);
    await raiseLimits(installation, tenant);
    const traffic = new Traffic(installation, tenant, 12);
    const runs: Run[] = [];
    for (let round = 0; round < loadRounds; round += 1) {
      await eventually(() => traffic.acknowledged.length > (round + 1) * 50, { timeoutMs: 60_000 });
      const refunded = traffic.acknowledged.slice(-20).map(({ paymentId }) => refund(tenant, paymentId, 50));
      runs.push(await reconcile());
      // Some of these payments failed or are held, and refuse.
      for (const status of await Promise.all(refunded)) expect([201, 409]).toContain(status);
    }
    await traffic.stop();
    expect(traffic.unexpected).toEqual([]);
    expect(runs.map((run) => run.findings_count)).toEqual(runs.map(() => 0));
    await truth.settled();
    // While rows wait to be sent, a run stays behind the oldest of them; this one sees everything.
    const last = await reconcile();
    expect(last.all).toEqual([]);
    expect(last.settlements_compared).toBeGreaterThan(50);
  }, 600_000);
});

describe("a seeded fault is found and named:", () => {
  /**
   * Seeds one fault beside sound payments, and answers what was found of its tenant; of others nothing is.
   */
  async function seeded(seed: (booked: Awaited<ReturnType<typeof bookedPayment>>) => Promise<unknown>) {
    const booked = await bookedPayment();
    await bookedPayment();
    const { tenantId } = booked.tenant;
    const [transfers, accounts] = await Promise.all([
      truth.ledger`select * from transfer where tenant_id = ${tenantId}`,
      truth.ledger`select * from account where tenant_id = ${tenantId}`,
    ]);
    const payments = await truth.payment`select * from payment where tenant_id = ${tenantId}`;
    const refunds = await truth.payment`select * from refund where tenant_id = ${tenantId}`;
    await seed(booked);
    const { all, findings_by_kind } = await reconcile();
    // It names and never repairs; the test puts things right, for the next one.
    await restore("payment", tenantId, { refund: refunds, payment: payments });
    await restore("ledger", tenantId, { transfer: transfers, account: accounts });
    expect(all.filter((one) => one.tenant_id !== tenantId)).toEqual([]);
    expect((await reconcile()).all).toEqual([]);
    return { ...booked, all, findings_by_kind };
  }

  const restore = (
    database: "ledger" | "payment",
    tenantId: string,
    tables: Record<string, readonly Record<string, unknown>[]>,
  ) =>
    tamper(database, async (sql) => {
      for (const table of Object.keys(tables)) {
        await sql`delete from ${sql(table)} where tenant_id = ${tenantId}`;
      }
      for (const [table, rows] of Object.entries(tables).reverse()) {
        for (const row of rows) await sql`insert into ${sql(table)} ${sql({ ...row })}`;
      }
    });

  test("a capture that the journal lacks", async () => {
    const { all, paymentId } = await seeded(({ tenant, paymentId: id }) =>
      tamper("ledger", async (sql) => {
        await sql`delete from transfer where payment_id = ${id} and refund_id is null`;
        await balanceAgain(sql, tenant.tenantId);
      }),
    );
    expect(all).toMatchObject([{ kind: "missing_in_ledger", payment_id: paymentId, expected: "5000 INR" }]);
  });

  test("a refund that the journal lacks", async () => {
    const { all, refundId } = await seeded(({ tenant, refundId: id }) =>
      tamper("ledger", async (sql) => {
        await sql`delete from transfer where refund_id = ${id}`;
        await balanceAgain(sql, tenant.tenantId);
      }),
    );
    expect(all).toMatchObject([{ kind: "missing_in_ledger", refund_id: refundId }]);
  });

  test("a booking that payment knows nothing of", async () => {
    const invented = newId("pay");
    const { all } = await seeded(({ tenant, paymentId }) =>
      tamper("ledger", async (sql) => {
        await sql`
          insert into transfer (journal_id, event_id, type, tenant_id, mode, currency, debit_account,
              credit_account, amount, payment_id, refund_id, effective_at)
          select ${newId("jrn")}, ${newId("evt")}, type, tenant_id, mode, currency, debit_account,
              credit_account, 77, ${invented}, null, effective_at
            from transfer where payment_id = ${paymentId} and refund_id is null`;
        await balanceAgain(sql, tenant.tenantId);
      }),
    );
    expect(all).toMatchObject([{ kind: "missing_in_payment", payment_id: invented }]);
  });

  test("another amount in the journal", async () => {
    const { all, paymentId } = await seeded(({ tenant, paymentId: id }) =>
      tamper("ledger", async (sql) => {
        await sql`update transfer set amount = 4999 where payment_id = ${id} and refund_id is null`;
        await balanceAgain(sql, tenant.tenantId);
      }),
    );
    expect(all).toMatchObject([
      { kind: "amount_mismatch", payment_id: paymentId, expected: "5000 INR", found: "4999 INR" },
    ]);
  });

  test("a booked refund that payment holds as failed", async () => {
    const { all, refundId } = await seeded(({ refundId: id }) =>
      tamper("payment", (sql) => sql`update refund set status = 'failed' where id = ${id}`),
    );
    expect(all).toMatchObject([
      { kind: "status_mismatch", refund_id: refundId, expected: "failed", found: "booked" },
    ]);
  });

  test("a booked payment that payment holds as voided", async () => {
    const { all, paymentId } = await seeded(({ paymentId: id }) =>
      tamper(
        "payment",
        (sql) => sql`
          update payment set status = 'voided', amount_captured = 0, amount_refunded = 0 where id = ${id}`,
      ),
    );
    expect(all).toMatchObject([{ kind: "status_mismatch", payment_id: paymentId, expected: "voided" }]);
  });

  test("an account that its rows do not add up to", async () => {
    const { all, findings_by_kind } = await seeded(({ tenant }) =>
      tamper(
        "ledger",
        (sql) => sql`update account set credits = credits + 5
          where tenant_id = ${tenant.tenantId} and account = 'tenant_payable'`,
      ),
    );
    expect(all).toMatchObject([{ kind: "balance_drift", account: "tenant_payable" }]);
    expect(findings_by_kind).toMatchObject({ balance_drift: 1, missing_in_ledger: 0 });
  });

  test("all of them at once, counted in the metrics", async () => {
    const { all } = await seeded(async ({ tenant, refundId }) => {
      await tamper("payment", (sql) => sql`update refund set amount = 1001 where id = ${refundId}`);
      await tamper("ledger", async (sql) => {
        await sql`delete from transfer where tenant_id = ${tenant.tenantId} and refund_id is null`;
      });
    });
    expect(all.map(({ kind }) => kind).sort()).toEqual([
      "amount_mismatch",
      "balance_drift",
      "balance_drift",
      "missing_in_ledger",
    ]);
    const texts = await Promise.all(
      [1, 2].map(async (replica) =>
        (await fetch(`${installation.replicaUrl("ledger", replica)}/metrics`)).text(),
      ),
    );
    for (const kind of ["amount_mismatch", "balance_drift", "missing_in_ledger"]) {
      expect(texts.join("\n")).toMatch(
        new RegExp(`payflow_ledger_reconciliation_findings_total\\{.*kind="${kind}".*\\} [1-9]`),
      );
    }
  });
});

test("reconciliation is the platform owner's: a tenant's key is refused", async () => {
  const { liveKey } = await registerTenant(installation);
  const url = `${installation.url("ledger")}/ledger/reconciliations`;
  expect((await call(url, "POST", { key: liveKey, body: {} })).status).toBe(401);
  expect((await call(url, "GET", { key: liveKey })).status).toBe(401);
});
