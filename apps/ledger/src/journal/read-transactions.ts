import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import type { TransferRow } from "../schema.ts";
import { type TransactionResponse, type TransactionsQuery, toTransaction } from "./journal.contract.ts";
import type { JournalStore } from "./journal.store.ts";

export interface ReadTransactions {
  readonly journal: Pick<JournalStore, "find" | "list">;
  readonly cursors: Cursors;
}

/** The tenant's movements, newest first. Fails with `invalid_cursor`. */
export async function listTransactions(
  { journal, cursors }: ReadTransactions,
  tenant: TenantContext,
  query: TransactionsQuery,
): Promise<Page<TransactionResponse>> {
  const owner = `transactions/${tenant.tenantId}/${tenant.mode}`;
  const limit = query.limit ?? 20;
  const before = query.cursor === undefined ? undefined : cursors.decode(owner, query.cursor);
  // What is no payment's id is nobody's payment; it need not reach the store.
  const isFindable = query.payment_id === undefined || isId("pay", query.payment_id);
  const asked = {
    tenantId: tenant.tenantId,
    mode: tenant.mode,
    currency: query.currency,
    paymentId: query.payment_id,
    before,
    limit: limit + 1,
  };
  const rows = isFindable ? await journal.list(asked) : [];
  return toPage(rows, limit, toTransaction, (last) => cursors.encode(owner, last.journalId));
}

/** One movement of the tenant's. Fails with `not_found`. */
export async function readTransaction(
  { journal }: ReadTransactions,
  tenant: TenantContext,
  journalId: string,
): Promise<TransferRow> {
  const row = isId("jrn", journalId)
    ? await journal.find(tenant.tenantId, tenant.mode, journalId)
    : undefined;
  if (row === undefined) throw new DomainError("not_found");
  return row;
}
