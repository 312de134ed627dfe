import type { Mode } from "@payflow/contracts/access.ts";
import type { Settlement } from "@payflow/contracts/internal-payment.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";

/** A row of a listing, with what its place in the order is told by. */
export interface SettlementRow extends Settlement {
  readonly settled_at: string | null;
}

export interface SettlementRange {
  readonly from: string | null;
  readonly to: string | null;
  /** The listing goes on after this one. */
  readonly after: { readonly settledAt: string; readonly id: string } | null;
  readonly limit: number;
}

/**
 * Payments and refunds that were settled in the range, by time and id; one more than `limit` where there is
 * more.
 */
export async function listSettlements(sql: Sql, range: SettlementRange): Promise<SettlementRow[]> {
  const start = range.after?.settledAt ?? range.from ?? "-infinity";
  const end = range.to ?? "infinity";
  const afterId = range.after?.id ?? "";
  const count = range.limit + 1;
  return toRows(
    await sql<RawRow[]>`
      select * from (
        (select 'capture' as kind, id, id as payment_id, tenant_id, mode, currency,
                amount_captured::float8 as amount, status, settled_at
           from payment
          where settled_at is not null and settled_at >= ${start}::text::timestamptz
            and settled_at < ${end}::text::timestamptz
            and (settled_at, id) > (${start}::text::timestamptz, ${afterId})
          order by settled_at, id limit ${count})
        union all
        (select 'refund', id, payment_id, tenant_id, mode, currency, amount::float8, status, settled_at
           from refund
          where settled_at is not null and settled_at >= ${start}::text::timestamptz
            and settled_at < ${end}::text::timestamptz
            and (settled_at, id) > (${start}::text::timestamptz, ${afterId})
          order by settled_at, id limit ${count})
      ) as settled order by settled_at, id limit ${count}`,
  );
}

/** Payments and refunds by id, in whatever state. */
export async function findSettlements(sql: Sql, ids: readonly string[]): Promise<SettlementRow[]> {
  return toRows(
    await sql<RawRow[]>`
      select 'capture' as kind, id, id as payment_id, tenant_id, mode, currency,
             amount_captured::float8 as amount, status, settled_at
        from payment where id = any(${[...ids]}::text[])
      union all
      select 'refund', id, payment_id, tenant_id, mode, currency, amount::float8, status, settled_at
        from refund where id = any(${[...ids]}::text[])`,
  );
}

/**
 * Until when everything settled has left the outbox. A waiting row was stamped before it was inserted, by at
 * most the time a statement may take; it is looked for after the listing, so that whatever the listing shows
 * is counted here.
 */
export async function publishedUntil(sql: Sql): Promise<string> {
  const [row] = await sql<{ until: string | Date }[]>`
    select coalesce(min(oldest.created_at) - interval '30 seconds', clock_timestamp()) as until
      from generate_series(0, 15) as shards (shard)
     cross join lateral (
       select created_at from outbox
        where outbox.shard = shards.shard and topic in ('payment.settled', 'refund.settled')
        order by outbox.id limit 1) as oldest`;
  return new Date(row?.until ?? 0).toISOString();
}

interface RawRow extends Omit<Settlement, "settled_at"> {
  readonly settled_at: string | Date | null;
}

function toRows(rows: readonly RawRow[]): SettlementRow[] {
  return rows.map((row) => ({
    ...row,
    settled_at: row.settled_at === null ? null : new Date(row.settled_at).toISOString(),
  }));
}

/** Whether the tenant has any payment in the mode. */
export async function hasPayments(sql: Sql, tenantId: string, mode: Mode): Promise<boolean> {
  const [row] = await sql<{ exists: boolean }[]>`
    select exists (select from payment where tenant_id = ${tenantId} and mode = ${mode}) as exists`;
  return row?.exists === true;
}
