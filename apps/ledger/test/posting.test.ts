import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { connectDatabase, errorCode } from "@payflow/service-kit/store/database.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import {
  type LedgerDatabase,
  ledgerDatabase,
  newOwner,
  type Owner,
  paymentSettled,
  refundSettled,
  replica,
} from "./fixture/ledger.ts";

let database: LedgerDatabase;
beforeAll(async () => {
  database = await ledgerDatabase();
});
afterAll(() => database.close());

async function transfersOf({ tenantId }: Owner) {
  const rows = await database.sql<{ type: string; amount: string; mode: string }[]>`
    select type, amount::text, mode from transfer where tenant_id = ${tenantId} order by journal_id`;
  return rows.map(({ type, amount, mode }) => `${mode} ${type} ${amount}`);
}

async function accountsOf({ tenantId }: Owner) {
  const rows = await database.sql<{ line: string }[]>`
    select concat_ws(' ', mode, currency, account, debits, credits, transfers) as line
      from account where tenant_id = ${tenantId} order by mode, currency, account`;
  return rows.map(({ line }) => line);
}

async function metricOf({ metrics }: ReturnType<typeof replica>, name: string) {
  const text = await metrics.text();
  return text.split("\n").filter((line) => line.startsWith(name));
}

describe("a settled payment", () => {
  test("is booked with what was captured: we claim it from the processor and owe it to the tenant", async () => {
    const owner = newOwner();
    const event = paymentSettled(owner, { captured: 750 });
    await replica(database.sql).handlers["payment.settled"]([event]);
    const [row] = await database.sql`
      select type, tenant_id, mode, currency, debit_account, credit_account, amount::int, payment_id, refund_id,
             event_id, effective_at
        from transfer where tenant_id = ${owner.tenantId}`;
    expect(row).toEqual({
      type: "capture",
      tenant_id: owner.tenantId,
      mode: "live",
      currency: "INR",
      debit_account: "processor_clearing",
      credit_account: "tenant_payable",
      amount: 750,
      payment_id: event.data.payment_id,
      refund_id: null,
      event_id: event.event_id,
      effective_at: new Date(event.data.settled_at),
    });
    expect(await accountsOf(owner)).toEqual([
      "live INR processor_clearing 750 0 1",
      "live INR tenant_payable 0 750 1",
    ]);
  });

  for (const status of ["failed", "voided", "expired", "flagged"] as const) {
    test(`books nothing when it ended as ${status} without a capture`, async () => {
      const owner = newOwner();
      const event = paymentSettled(owner, { captured: 0, status });
      await replica(database.sql).handlers["payment.settled"]([event]);
      expect(await transfersOf(owner)).toEqual([]);
      expect(await accountsOf(owner)).toEqual([]);
    });
  }
});

describe("a settled refund", () => {
  test("reverses what it gives back, once per refund", async () => {
    const owner = newOwner();
    const capture = paymentSettled(owner, { captured: 1_000 });
    const { payment_id: paymentId } = capture.data;
    const { handlers } = replica(database.sql);
    await handlers["payment.settled"]([capture]);
    await handlers["refund.settled"]([
      refundSettled(owner, { paymentId, amount: 300 }),
      refundSettled(owner, { paymentId, amount: 200 }),
      refundSettled(owner, { paymentId, amount: 500, status: "failed" }),
    ]);
    expect(await transfersOf(owner)).toEqual(["live capture 1000", "live refund 300", "live refund 200"]);
    expect(await accountsOf(owner)).toEqual([
      "live INR processor_clearing 1000 500 3",
      "live INR tenant_payable 500 1000 3",
    ]);
  });

  test("may come before its capture", async () => {
    const owner = newOwner();
    const capture = paymentSettled(owner, { captured: 1_000 });
    const { handlers } = replica(database.sql);
    await handlers["refund.settled"]([refundSettled(owner, { paymentId: capture.data.payment_id })]);
    await handlers["payment.settled"]([capture]);
    expect(await accountsOf(owner)).toEqual([
      "live INR processor_clearing 1000 400 2",
      "live INR tenant_payable 400 1000 2",
    ]);
  });
});

describe("an event told again", () => {
  test("books nothing more, in the same batch, in another and among new ones", async () => {
    const owner = newOwner();
    const events = [1, 2, 3].map((captured) => paymentSettled(owner, { captured }));
    const { handlers } = replica(database.sql);
    await handlers["payment.settled"]([...events, ...events]);
    await handlers["payment.settled"](events);
    await handlers["payment.settled"]([...events, paymentSettled(owner, { captured: 4 })]);
    expect(await transfersOf(owner)).toHaveLength(4);
    expect(await accountsOf(owner)).toContain("live INR tenant_payable 0 10 4");
    expect([
      ...(await database.sql`select 1 from refused_posting where tenant_id = ${owner.tenantId}`),
    ]).toEqual([]);
  });

  const changes = {
    "another amount": { captured: 999 },
    "nothing captured": { captured: 0 },
    "another currency": { currency: "USD" },
  };
  for (const [what, change] of Object.entries(changes)) {
    test(`with ${what} changes nothing, is kept, and counts once`, async () => {
      const owner = newOwner();
      const event = paymentSettled(owner, { captured: 500 });
      const ledger = replica(database.sql);
      await ledger.handlers["payment.settled"]([event]);
      const same = { paymentId: event.data.payment_id, eventId: event.event_id };
      const contradiction = paymentSettled(owner, { captured: 500, ...same, ...change });
      await ledger.handlers["payment.settled"]([contradiction, paymentSettled(owner, { captured: 1 })]);
      await ledger.handlers["payment.settled"]([contradiction]);

      expect(await transfersOf(owner)).toEqual(["live capture 500", "live capture 1"]);
      const refused = await database.sql`
        select event_id, amount::int from refused_posting where tenant_id = ${owner.tenantId}`;
      expect([...refused]).toEqual([
        { event_id: event.event_id, amount: contradiction.data.amount_captured },
      ]);
      const counted = await metricOf(ledger, "payflow_ledger_refused_postings_total{");
      // Counts begin at 0, so that an alert sees the first of them.
      expect(counted).toEqual([
        expect.stringMatching(/type="capture".* 1$/),
        expect.stringMatching(/type="refund".* 0$/),
      ]);
    });
  }

  test("under another event id with another amount is refused as well", async () => {
    const owner = newOwner();
    const event = paymentSettled(owner, { captured: 500 });
    const { handlers } = replica(database.sql);
    const second = paymentSettled(owner, { captured: 700, paymentId: event.data.payment_id });
    await handlers["payment.settled"]([event, second]);
    expect(await accountsOf(owner)).toContain("live INR tenant_payable 0 500 1");
    const refused = await database.sql`
      select event_id from refused_posting where tenant_id = ${owner.tenantId}`;
    expect([...refused]).toEqual([{ event_id: second.event_id }]);
  });
});

describe("a batch", () => {
  test("with one event that cannot be booked books nothing and leaves no progress", async () => {
    const owner = newOwner();
    const { handlers } = replica(database.sql);
    const progress = () => database.sql`select events::int from consumer_progress`;
    const before = [...(await progress())];
    const batch = [paymentSettled(owner), paymentSettled(owner, { captured: 1_000_000_000_000 })];
    const error = await handlers["payment.settled"](batch).catch((thrown: unknown) => thrown);
    expect(errorCode(error)).toBe("23514");
    expect(await transfersOf(owner)).toEqual([]);
    expect([...(await progress())]).toEqual(before);
  });

  test("of 500 events is one call, and leaves its progress and its lag behind", async () => {
    const owners = Array.from({ length: 5 }, () => newOwner());
    const ledger = replica(database.sql);
    const before = await progressOf("payment.settled");
    const batch = Array.from({ length: 500 }, (_, index) =>
      // The index runs over the owners again and again, so there always is one.
      paymentSettled(owners[index % 5] as Owner, { captured: index + 1 }),
    );
    await ledger.handlers["payment.settled"](batch);
    const after = await progressOf("payment.settled");
    expect(after.events - before.events).toBe(500);
    expect(after.transfers - before.transfers).toBe(500);
    expect(after.lastEventId).toBe(batch.at(-1)?.event_id ?? "");
    expect(await metricOf(ledger, "payflow_ledger_posting_seconds_count")).toEqual([
      expect.stringMatching(/ 1$/),
    ]);
    expect(await metricOf(ledger, "payflow_ledger_booking_lag_seconds_count")).toEqual([
      expect.stringMatching(/ 500$/),
    ]);
  });

  async function progressOf(topic: string) {
    const [row] = await database.sql<{ events: number; transfers: number; lastEventId: string }[]>`
      select events::int, transfers::int, last_event_id as "lastEventId"
        from consumer_progress where topic = ${topic}`;
    return row ?? { events: 0, transfers: 0, lastEventId: "" };
  }
});

describe("two replicas", () => {
  test("that get the same batches at the same time book each event once", async () => {
    const owners = [newOwner(), newOwner(), newOwner("test")];
    const other = connectDatabase(database.serviceUrl, { name: "ledger-second", max: 4 });
    try {
      const events = Array.from({ length: 400 }, (_, index) =>
        // There are three owners and the index is below three.
        paymentSettled(owners[index % 3] as Owner, { captured: 10 }),
      );
      const shuffled = [...events].reverse();
      const batches = (all: typeof events) =>
        Array.from({ length: 8 }, (_, index) => all.slice(index * 50, index * 50 + 50));
      await Promise.all([
        ...batches(events).map((batch) => replica(database.sql).handlers["payment.settled"](batch)),
        ...batches(shuffled).map((batch) => replica(other.sql).handlers["payment.settled"](batch)),
      ]);
      const sums = await Promise.all(owners.map(accountsOf));
      expect(sums.map((lines) => lines.map((line) => line.split(" ").slice(-3).join(" ")))).toEqual([
        ["1340 0 134", "0 1340 134"],
        ["1330 0 133", "0 1330 133"],
        ["1330 0 133", "0 1330 133"],
      ]);
    } finally {
      await other.close();
    }
  });

  test("recover from a deadlock: the batch that lost is posted again", async () => {
    const [first, second] = [newOwner(), newOwner()].sort((a, b) => (a.tenantId < b.tenantId ? -1 : 1));
    if (first === undefined || second === undefined) throw new Error("two owners were made");
    const { handlers } = replica(database.sql);
    await handlers["payment.settled"]([paymentSettled(first), paymentSettled(second)]);

    let posting: Promise<void> | undefined;
    const before = await deadlocks();
    await database.admin.begin(async (transaction) => {
      // It outwaits the posting, so that the posting is the one PostgreSQL ends.
      await transaction`set local deadlock_timeout = '1min'`;
      await transaction`select 1 from account where tenant_id = ${second.tenantId} for update`;
      posting = handlers["payment.settled"]([paymentSettled(first), paymentSettled(second)]);
      await eventually(async () => (await waiting()) > 0);
      await transaction`select 1 from account where tenant_id = ${first.tenantId} for update`;
    });
    await posting;
    await eventually(async () => (await deadlocks()) > before);
    expect(await accountsOf(first)).toContain("live INR tenant_payable 0 2000 2");
    expect(await accountsOf(second)).toContain("live INR tenant_payable 0 2000 2");
  });

  async function deadlocks(): Promise<number> {
    const [row] = await database.admin<{ count: number }[]>`
      select deadlocks::int as count from pg_stat_database where datname = current_database()`;
    return row?.count ?? 0;
  }

  async function waiting(): Promise<number> {
    const [row] = await database.admin<{ count: number }[]>`
      select count(*)::int as count from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and query ~ 'post_transfers'`;
    return row?.count ?? 0;
  }
});

test("journal ids are well-formed and differ", async () => {
  const owner = newOwner();
  await replica(database.sql).handlers["payment.settled"]([paymentSettled(owner), paymentSettled(owner)]);
  const rows = await database.sql<{ journal_id: string }[]>`
    select journal_id from transfer where tenant_id = ${owner.tenantId}`;
  expect(new Set(rows.map((row) => row.journal_id)).size).toBe(2);
  for (const row of rows) expect(row.journal_id).toStartWith(newId("jrn").slice(0, 8));
});
