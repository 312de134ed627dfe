import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import type { RefundRow } from "../schema.ts";
import { type RefundResponse, refundResponse } from "./refunds.contract.ts";
import { findPayment, findRefund, listRefunds } from "./refunds.store.ts";

export interface ReadRefunds {
  readonly sql: Sql;
  readonly cursors: Cursors;
}

/** The tenant's refund. Throws `not_found`. */
export async function readRefund(
  deps: Pick<ReadRefunds, "sql">,
  tenant: TenantContext,
  refundId: string,
): Promise<RefundRow> {
  const row = isId("ref", refundId) ? await findRefund(deps.sql, tenant, refundId) : null;
  if (row === null) throw new DomainError("not_found");
  return row;
}

/** A payment's refunds, newest first. Throws `not_found` and `invalid_cursor`. */
export async function listRefundsOf(
  deps: ReadRefunds,
  tenant: TenantContext,
  paymentId: string,
  query: { readonly limit?: number; readonly cursor?: string },
): Promise<Page<RefundResponse>> {
  const known = isId("pay", paymentId) ? await findPayment(deps.sql, tenant, paymentId) : null;
  if (known === null) throw new DomainError("not_found");
  const limit = query.limit ?? 20;
  const owner = `refunds of ${paymentId}:${tenant.tenantId}:${tenant.mode}`;
  const after = query.cursor === undefined ? null : deps.cursors.decode(owner, query.cursor);
  const rows = await listRefunds(deps.sql, tenant, paymentId, after, limit);
  return toPage(rows, limit, refundResponse, (last) => deps.cursors.encode(owner, last.id));
}
