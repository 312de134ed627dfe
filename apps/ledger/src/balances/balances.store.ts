import type { Mode } from "@payflow/contracts/access.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import type { AccountRow } from "../schema.ts";
import type { AccountSums } from "./balance.ts";

export type HeldAccount = AccountSums & Pick<AccountRow, "currency" | "transfers" | "openedAt" | "updatedAt">;

export type BalancesStore = ReturnType<typeof createBalancesStore>;

interface SumsAsText {
  readonly debits: string;
  readonly credits: string;
}

/** Reads the balances that posting keeps beside the journal. */
export function createBalancesStore(sql: Sql) {
  const columns = sql`
    account, currency, debits::text as debits, credits::text as credits, transfers::float8 as transfers,
    opened_at as "openedAt", updated_at as "updatedAt"`;

  return {
    /** What is owed to the tenant in each currency, the currency used first first; and the store's time. */
    async payable(tenantId: string, mode: Mode): Promise<{ held: readonly HeldAccount[]; asOf: Date }> {
      const rows = await sql<((Omit<HeldAccount, keyof SumsAsText> & SumsAsText) & { asOf: Date })[]>`
        select ${columns}, now() as "asOf" from account
         where tenant_id = ${tenantId} and mode = ${mode} and account = 'tenant_payable'
         order by opened_at, currency`;
      const asOf = rows[0]?.asOf ?? (await storeTime());
      return { held: rows.map(({ asOf: _, ...row }) => exact(row)), asOf };
    },

    /** The tenant's accounts by currency and name, from the position after the given one. */
    async list(
      tenantId: string,
      mode: Mode,
      after: { readonly currency: string; readonly account: string } | undefined,
      limit: number,
    ): Promise<readonly HeldAccount[]> {
      const rows = await sql<(Omit<HeldAccount, keyof SumsAsText> & SumsAsText)[]>`
        select ${columns} from account
         where tenant_id = ${tenantId} and mode = ${mode}
           and (currency, account) > (${after?.currency ?? ""}, ${after?.account ?? ""})
         order by currency, account limit ${limit}`;
      return rows.map(exact);
    },
  };

  async function storeTime(): Promise<Date> {
    const [row] = await sql<{ now: Date }[]>`select now() as now`;
    if (row === undefined) throw new Error("the store told no time");
    return row.now;
  }
}

function exact<T extends SumsAsText>(
  row: T,
): Omit<T, keyof SumsAsText> & { debits: bigint; credits: bigint } {
  return { ...row, debits: BigInt(row.debits), credits: BigInt(row.credits) };
}
