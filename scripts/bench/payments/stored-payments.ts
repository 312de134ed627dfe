import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import postgres, { type ISql, type Sql } from "postgres";
import type { BenchTenant } from "../tenants.ts";

const amountMinor = 500;
/** Rows of one statement. */
const atOnce = 100_000;

/**
 * Puts settled payments into all databases as if they had been taken long ago, second after second, dealt out
 * to the tenants in turn: `from` to `until` are their places. The triggers, which forbid it, are off.
 */
export async function storePayments(
  installation: RunningInstallation,
  tenants: readonly BenchTenant[],
  from: number,
  until: number,
): Promise<void> {
  const ids = tenants.map((tenant) => tenant.tenantId);
  for (let begin = from; begin < until; begin += atOnce) {
    const places = { ids, from: begin, until: Math.min(until, begin + atOnce) - 1 };
    await Promise.all(
      Object.entries(stores).map(([name, store]) =>
        inDatabase(installation, name, (sql) =>
          sql.begin(async (transaction) => {
            await transaction`set local session_replication_role = replica`;
            await store(transaction, places);
          }),
        ),
      ),
    );
  }
  // What autovacuum would do in the time that such a number takes to come.
  for (const name of Object.keys(stores)) {
    await inDatabase(installation, name, (sql) => sql`vacuum analyze`);
  }
}

interface Places {
  readonly ids: readonly string[];
  readonly from: number;
  readonly until: number;
}

type Store = (sql: ISql, places: Places) => Promise<unknown>;

/** A payment's id as its place makes it: older than any made now. */
const paymentId = `'pay_01' || lpad(to_hex(place), 24, '0')`;
const at = `timestamptz '2020-01-01' + place * interval '1 second'`;
const tenant = `$1::text[]`;
const source = `generate_series($2::bigint, $3::bigint) as places (place)`;
const owner = `(${tenant})[place % cardinality(${tenant}) + 1]`;

const insert =
  (text: string): Store =>
  (sql, { ids, from, until }) =>
    sql.unsafe(text, [[...ids], from, until]);

const stores: Readonly<Record<string, Store>> = {
  async payment(sql, places) {
    await insert(`
      insert into payment (id, tenant_id, mode, amount, amount_captured, currency, status, capture_method,
        payment_method, metadata, customer_id, fraud_decision, fraud_score, scoring_source, sequence,
        request_id, idempotency_key, created_at, updated_at, settled_at)
      select ${paymentId}, ${owner}, 'live', ${amountMinor}, ${amountMinor}, 'INR', 'succeeded', 'automatic',
        'pm_card_ok', '{"order_id":"1"}', 'customer-' || place, 'allow', 0, 'score', 2,
        'req_01' || lpad(to_hex(place), 24, '0'), md5('stored-' || place)::uuid, ${at}, ${at}, ${at}
        from ${source}`)(sql, places);
    await insert(`
      insert into idempotency (id, subject, fingerprint, status, answer, created_at)
      select md5('stored-' || place)::uuid, ${paymentId}, '\\x0102030405060708', 201,
             repeat('x', 600), now() - interval '1 day'
        from ${source}, lateral (select cardinality(${tenant})) as tenants`)(sql, places);
  },
  processor: insert(`
    insert into charge (key, amount, currency, payment_method, is_capture, recorded_at)
    select ${paymentId}, ${amountMinor}, 'INR', 'pm_card_ok', true, ${at}
      from ${source}, lateral (select cardinality(${tenant})) as tenants`),
  fraud: insert(`
    insert into decision (payment_id, tenant_id, mode, decision, score, rules, seen, policy_hash, decided_at)
    select ${paymentId}, ${owner}, 'live', 'allow', 0, '{}', '{1,2,0}', repeat('0', 64), ${at}
      from ${source}`),
  async ledger(sql, places) {
    await insert(`
      insert into transfer (journal_id, event_id, type, tenant_id, mode, currency, debit_account,
        credit_account, amount, payment_id, effective_at, created_at)
      select 'jrn_01' || lpad(to_hex(place), 24, '0'), 'evt_01' || lpad(to_hex(place), 24, '0'), 'capture',
        ${owner}, 'live', 'INR', 'processor_clearing', 'tenant_payable', ${amountMinor}, ${paymentId}, ${at},
        ${at}
        from ${source}`)(sql, places);
    await insert(`
      insert into account as held (tenant_id, mode, currency, account, debits, credits, transfers)
      select ${owner}, 'live', 'INR', name,
             sum(case name when 'processor_clearing' then ${amountMinor} else 0 end),
             sum(case name when 'tenant_payable' then ${amountMinor} else 0 end), count(*)
        from ${source}, unnest(array['processor_clearing', 'tenant_payable']) as name group by 1, 4
          on conflict (tenant_id, mode, currency, account) do update
         set debits = held.debits + excluded.debits, credits = held.credits + excluded.credits,
             transfers = held.transfers + excluded.transfers`)(sql, places);
  },
};

async function inDatabase(
  installation: RunningInstallation,
  name: string,
  run: (sql: Sql) => Promise<unknown>,
): Promise<void> {
  const sql = postgres(installation.databaseUrl(name, "superuser"), { max: 1, onnotice: () => {} });
  try {
    await run(sql);
  } finally {
    await sql.end();
  }
}
