import { type Sql, transact } from "@payflow/service-kit/store/database.ts";
import type { AccountRow, TransferRow } from "../schema.ts";
import { compareAccount, type Finding } from "./compare.ts";

/** Where a walk through the journal stands: after this row. */
export interface JournalPosition {
  readonly effectiveAt: Date;
  readonly journalId: string;
}

/**
 * Accounts that a continuous run adds up again hold at most this many rows together; larger ones wait for the
 * night.
 */
const continuousRows = 2_000_000;
/** Drifted accounts that one run names at most. */
const maxDrifted = 10_000;

export type BooksStore = ReturnType<typeof createBooksStore>;

/** The journal and the accounts as reconciliation reads them. */
export function createBooksStore(sql: Sql) {
  const columns = sql`
    journal_id as "journalId", event_id as "eventId", type, tenant_id as "tenantId", mode, currency,
    debit_account as "debitAccount", credit_account as "creditAccount", amount::float8 as amount,
    payment_id as "paymentId", refund_id as "refundId", effective_at as "effectiveAt",
    created_at as "createdAt"`;

  return {
    /** The movements of these payments' captures and of these refunds. */
    bySubject(captures: readonly string[], refunds: readonly string[]) {
      return sql<TransferRow[]>`
        select ${columns} from transfer
         where payment_id = any(${[...captures]}::text[]) and refund_id is null
        union all
        select ${columns} from transfer where refund_id = any(${[...refunds]}::text[])`;
    },

    /** Movements that took effect in [from, to), oldest first, after the given row. */
    slice(from: Date, to: Date, after: JournalPosition | undefined, limit: number) {
      return sql<TransferRow[]>`
        select ${columns} from transfer
         where effective_at >= ${after?.effectiveAt ?? from} and effective_at < ${to}
           and (effective_at, journal_id) > (${after?.effectiveAt ?? from}, ${after?.journalId ?? ""})
         order by effective_at, journal_id limit ${limit}`;
    },

    /**
     * Adds accounts up from their rows, in one snapshot, and names those that hold something else. Without a
     * window all of them; with one those that moved in it, as many as stay within a fixed number of rows.
     */
    async drift(window?: {
      readonly from: Date;
      readonly to: Date;
    }): Promise<{ accounts: number; findings: Finding[] }> {
      return transact(sql, async (transaction) => {
        // A sum over the whole journal takes as long as it takes; everything else keeps its time-out.
        await transaction`set local statement_timeout = 0`;
        const chosen =
          window === undefined
            ? transaction`select tenant_id, mode, currency from account
                          union select tenant_id, mode, currency from transfer`
            : transaction`
                select tenant_id, mode, currency from (
                  select tenant_id, mode, currency, sum(max(transfers)) over (
                           order by max(transfers), tenant_id, mode, currency) as total
                    from account natural join (
                      select distinct tenant_id, mode, currency from transfer
                       where effective_at >= ${window.from} and effective_at < ${window.to}) moved
                   group by tenant_id, mode, currency) ranked
                 where total <= ${continuousRows}`;
        const rows = await transaction<DriftRow[]>`
          with chosen as materialized (${chosen}), recomputed as (
            select tenant_id, mode, currency, leg.account, sum(debit) as debits, sum(credit) as credits
              from chosen natural join transfer
             cross join lateral (values (debit_account, amount, 0), (credit_account, 0, amount))
                     as leg (account, debit, credit)
             group by tenant_id, mode, currency, leg.account
          ), both_sides as (
            select tenant_id, mode, currency, account,
                   coalesce(stored.debits, 0) as debits, coalesce(stored.credits, 0) as credits,
                   coalesce(recomputed.debits, 0) as row_debits,
                   coalesce(recomputed.credits, 0) as row_credits
              from (select account.* from account natural join chosen) stored
              full join recomputed using (tenant_id, mode, currency, account)
          )
          select tenant_id as "tenantId", mode, currency, account, debits::text, credits::text,
                 row_debits::text as "rowDebits", row_credits::text as "rowCredits",
                 (select count(*)::int from both_sides) as accounts
            from (select 1) one
            left join both_sides on debits <> row_debits or credits <> row_credits
           limit ${maxDrifted}`;
        return { accounts: rows[0]?.accounts ?? 0, findings: rows.flatMap(toFindings) };
      });
    },
  };
}

/** One drifted account, or a row that only carries the count. */
interface DriftRow {
  readonly tenantId: string;
  readonly mode: AccountRow["mode"];
  readonly currency: string;
  readonly account: AccountRow["account"] | null;
  readonly debits: string;
  readonly credits: string;
  readonly rowDebits: string;
  readonly rowCredits: string;
  readonly accounts: number;
}

function toFindings(row: DriftRow): Finding[] {
  const { account, tenantId, mode, currency } = row;
  if (account === null) return [];
  const stored = {
    tenantId,
    mode,
    currency,
    account,
    debits: BigInt(row.debits),
    credits: BigInt(row.credits),
  };
  const finding = compareAccount(stored, {
    debits: BigInt(row.rowDebits),
    credits: BigInt(row.rowCredits),
  });
  return finding === undefined ? [] : [finding];
}
