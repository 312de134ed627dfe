import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import {
  type LedgerDatabase,
  ledgerDatabase,
  newOwner,
  paymentSettled,
  refundSettled,
  replica,
} from "./fixture/ledger.ts";

let database: LedgerDatabase;
beforeAll(async () => {
  database = await ledgerDatabase();
});
afterAll(() => database.close());

const permissionDenied = "42501";
const appendOnly = "23001";
const checkViolation = "23514";
const uniqueViolation = "23505";
const notNullViolation = "23502";

async function sqlState(run: () => PromiseLike<unknown>): Promise<string> {
  try {
    await run();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
  return "no error";
}

interface Row {
  journal_id: string;
  event_id: string;
  type: string;
  tenant_id: string;
  mode: string;
  currency: string;
  debit_account: string;
  credit_account: string;
  amount: number;
  payment_id: string;
  refund_id: string | null;
  effective_at: Date;
}

function captureRow(change: Partial<Row> = {}): Row {
  return {
    journal_id: newId("jrn"),
    event_id: newId("evt"),
    type: "capture",
    tenant_id: newId("ten"),
    mode: "live",
    currency: "INR",
    debit_account: "processor_clearing",
    credit_account: "tenant_payable",
    amount: 500,
    payment_id: newId("pay"),
    refund_id: null,
    effective_at: new Date(),
    ...change,
  };
}

function refundRow(change: Partial<Row> = {}): Row {
  const sides = { debit_account: "tenant_payable", credit_account: "processor_clearing" };
  return captureRow({ type: "refund", refund_id: newId("ref"), ...sides, ...change });
}

function without(row: Row, column: keyof Row): Partial<Row> {
  const { [column]: _, ...rest } = row;
  return rest;
}

const insert = (sql: Sql, row: Partial<Row>) => sql`insert into transfer ${sql(row)}`;

async function bookedPayment() {
  const owner = newOwner();
  const event = paymentSettled(owner);
  await replica(database.sql).handlers["payment.settled"]([event]);
  return { owner, event, paymentId: event.data.payment_id };
}

describe("the ledger's service role", () => {
  const statements = {
    update: "update transfer set amount = amount + 1",
    "an update of nothing": "update transfer set amount = 1 where false",
    delete: "delete from transfer",
    truncate: "truncate transfer",
    "truncate with cascade": "truncate transfer cascade",
    "moving a balance": "update account set credits = credits + 1",
    "making an account": "insert into account values ('ten', 'live', 'INR', 'suspense')",
    "dropping an account": "delete from account",
    "changing consumer progress": "update consumer_progress set events = 0",
    "changing where a partition goes on": "update partition_progress set next_offset = 0",
    "granting to itself": "grant update on transfer to ledger_service",
    "granting to everybody": "grant all on transfer to public",
    "granting what it has": "grant select on transfer to public",
    "granting an account": "grant select on account to public",
    revoking: "revoke all on transfer from ledger_owner",
    "giving a role": "grant ledger_owner to ledger_service",
    "becoming the owner": "set role ledger_owner",
    "disabling triggers": "alter table transfer disable trigger all",
    "dropping a trigger": "drop trigger transfer_append_only on transfer",
    "dropping the journal": "drop table transfer",
    "replacing the posting": "alter function post_transfers owner to ledger_service",
    "skipping triggers": "set session_replication_role = replica",
    "a table": "create table mine (id int)",
    "a temporary table": "create temporary table mine (id int)",
    "a function": "create function mine() returns int language sql as 'select 1'",
    "a schema": "create schema mine",
    "a trigger": "create trigger mine before insert on transfer execute function transfer_is_append_only()",
    "a view": "create view mine as select 1",
  };
  for (const [what, statement] of Object.entries(statements)) {
    test(`is refused ${what}`, async () => {
      await bookedPayment();
      expect(await sqlState(() => database.sql.unsafe(statement))).toBe(permissionDenied);
    });
  }

  test("cannot pass on even the columns it may read", async () => {
    await database.sql.unsafe("grant select (amount) on transfer to public");
    const [right] = await database.admin<{ granted: boolean }[]>`
      select has_column_privilege('public', 'transfer', 'amount', 'select') as granted`;
    expect(right?.granted).toBe(false);
  });

  test("cannot insert a row at all: it posts through one function", async () => {
    expect(await sqlState(() => insert(database.sql, captureRow()))).toBe(permissionDenied);
  });

  test("owns nothing", async () => {
    const owned = await database.admin`
      select relname from pg_class where relowner = 'ledger_service'::regrole
      union all select proname from pg_proc where proowner = 'ledger_service'::regrole
      union all select nspname from pg_namespace where nspowner = 'ledger_service'::regrole
      union all select datname from pg_database where datdba = 'ledger_service'::regrole`;
    expect([...owned]).toEqual([]);
  });
});

describe("the journal refuses everyone, its owner and the superuser too,", () => {
  for (const role of ["owner", "admin"] as const) {
    for (const statement of [
      "update transfer set amount = amount",
      "update transfer set amount = 1 where false",
      "delete from transfer",
      "truncate transfer",
    ]) {
      test(`${statement} as ${role}`, async () => {
        const { paymentId } = await bookedPayment();
        expect(await sqlState(() => database[role].unsafe(statement))).toBe(appendOnly);
        expect([
          ...(await database.sql`select 1 from transfer where payment_id = ${paymentId}`),
        ]).toHaveLength(1);
      });
    }
  }
});

describe("a row that is no balanced movement within one owner is impossible", () => {
  const rows: Record<string, [Partial<Row>, string]> = {
    "one side alone": [without(captureRow(), "credit_account"), notNullViolation],
    "both sides the same account": [captureRow({ debit_account: "tenant_payable" }), checkViolation],
    "sides of the other type": [
      captureRow({ debit_account: "tenant_payable", credit_account: "processor_clearing" }),
      checkViolation,
    ],
    "an account that does not exist": [captureRow({ credit_account: "pocket" }), checkViolation],
    "an amount of nothing": [captureRow({ amount: 0 }), checkViolation],
    "a negative amount": [captureRow({ amount: -5 }), checkViolation],
    "an amount beyond the largest": [captureRow({ amount: 1_000_000_000_000 }), checkViolation],
    "a mode that does not exist": [captureRow({ mode: "both" }), checkViolation],
    "no currency": [captureRow({ currency: "" }), checkViolation],
    "a refund without its id": [refundRow({ refund_id: null }), checkViolation],
    "a capture with a refund's id": [captureRow({ refund_id: newId("ref") }), checkViolation],
  };
  for (const [what, [row, state]] of Object.entries(rows)) {
    test(what, async () => {
      expect(await sqlState(() => insert(database.owner, row))).toBe(state);
    });
  }

  test("a row has one amount, one tenant, one mode and one currency, which hold for both sides", async () => {
    const columns = await database.owner<{ name: string }[]>`
      select column_name as name from information_schema.columns
       where table_name = 'transfer' and column_name ~ '(amount|tenant|mode|currency|account)' order by 1`;
    expect(columns.map(({ name }) => name)).toEqual([
      "amount",
      "credit_account",
      "currency",
      "debit_account",
      "mode",
      "tenant_id",
    ]);
  });

  const strangers: Record<string, Partial<Row>> = {
    "another tenant": { tenant_id: newId("ten") },
    "the other mode": { mode: "test" },
    "another currency": { currency: "USD" },
  };
  for (const [what, change] of Object.entries(strangers)) {
    test(`a refund of ${what} than its capture`, async () => {
      const { owner, paymentId } = await bookedPayment();
      const row = refundRow({ tenant_id: owner.tenantId, payment_id: paymentId, ...change });
      expect(await sqlState(() => insert(database.owner, row))).toBe(checkViolation);
    });

    test(`a capture of ${what} than the refund that came before it`, async () => {
      const refund = refundRow();
      await insert(database.owner, refund);
      const row = captureRow({ tenant_id: refund.tenant_id, payment_id: refund.payment_id, ...change });
      expect(await sqlState(() => insert(database.owner, row))).toBe(checkViolation);
    });
  }

  test("a refund of another tenant through the posting function books nothing of its batch", async () => {
    const { paymentId } = await bookedPayment();
    const stranger = newOwner();
    const { handlers } = replica(database.sql);
    const refund = refundSettled(stranger, { paymentId });
    expect(await sqlState(() => handlers["refund.settled"]([refund]))).toBe(checkViolation);
    expect([...(await database.sql`select 1 from account where tenant_id = ${stranger.tenantId}`)]).toEqual(
      [],
    );
  });
});

describe("a second booking fails", () => {
  test("of one payment", async () => {
    const { owner, paymentId } = await bookedPayment();
    const again = captureRow({ tenant_id: owner.tenantId, payment_id: paymentId });
    expect(await sqlState(() => insert(database.owner, again))).toBe(uniqueViolation);
  });

  test("of one refund, under its own payment or another", async () => {
    const refund = refundRow();
    await insert(database.owner, refund);
    const { journal_id: _, event_id: __, ...rest } = refund;
    expect(await sqlState(() => insert(database.owner, refundRow(rest)))).toBe(uniqueViolation);
    const elsewhere = refundRow({ ...rest, payment_id: newId("pay") });
    expect(await sqlState(() => insert(database.owner, elsewhere))).toBe(uniqueViolation);
  });

  test("of one event", async () => {
    const { owner, event } = await bookedPayment();
    const again = captureRow({ tenant_id: owner.tenantId, event_id: event.event_id });
    expect(await sqlState(() => insert(database.owner, again))).toBe(uniqueViolation);
  });
});
