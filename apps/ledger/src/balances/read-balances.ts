import type { TenantContext } from "@payflow/contracts/access.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import { balanceOf } from "./balance.ts";
import {
  type AccountResponse,
  type AccountsQuery,
  type BalanceResponse,
  toAccount,
  toBalance,
} from "./balances.contract.ts";
import type { BalancesStore } from "./balances.store.ts";

export interface ReadBalances {
  readonly balances: BalancesStore;
  readonly cursors: Cursors;
}

/**
 * What the platform owes the tenant: in the asked currency, else in the tenant's own, else in the one it used
 * first. Without any movement the balance is 0, and a tenant may then have no currency to name.
 */
export async function readBalance(
  { balances }: ReadBalances,
  tenant: TenantContext,
  asked: string | undefined,
): Promise<BalanceResponse> {
  const { held, asOf } = await balances.payable(tenant.tenantId, tenant.mode);
  const all = held.map((one) => toBalance(one.currency, balanceOf(one)));
  const currency = asked ?? tenant.currency ?? all[0]?.currency;
  const main =
    currency === undefined
      ? { currency: null, balance: 0, balance_display: null }
      : (all.find((one) => one.currency === currency) ?? toBalance(currency, 0n));
  return {
    tenant_id: tenant.tenantId,
    mode: tenant.mode,
    ...main,
    balances: all,
    as_of: asOf.toISOString(),
  };
}

/** The tenant's accounts, by currency and name. Fails with `invalid_cursor`. */
export async function listAccounts(
  { balances, cursors }: ReadBalances,
  tenant: TenantContext,
  query: AccountsQuery,
): Promise<Page<AccountResponse>> {
  const owner = `accounts/${tenant.tenantId}/${tenant.mode}`;
  const limit = query.limit ?? 20;
  const [currency, account] =
    query.cursor === undefined ? [] : cursors.decode(owner, query.cursor).split("/");
  const after = currency === undefined || account === undefined ? undefined : { currency, account };
  const rows = await balances.list(tenant.tenantId, tenant.mode, after, limit + 1);
  return toPage(rows, limit, toAccount, (last) => cursors.encode(owner, `${last.currency}/${last.account}`));
}
