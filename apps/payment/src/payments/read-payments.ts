import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import type { PaymentRow } from "../schema.ts";
import { type ListPaymentsQuery, type PaymentResponse, paymentResponse } from "./payments.contract.ts";
import type { Owner, PaymentStore } from "./payments.store.ts";

export interface ReadPayments {
  readonly payments: Pick<PaymentStore, "find" | "list">;
  readonly cursors: Cursors;
}

/**
 * One payment of the tenant's. Throws `not_found`, also for a malformed id and for the other mode's payments.
 */
export async function getPayment(deps: ReadPayments, owner: Owner, id: string): Promise<PaymentResponse> {
  const row = isId("pay", id) ? await deps.payments.find(owner, id) : null;
  if (row === null) throw new DomainError("not_found");
  return paymentResponse(row);
}

/** The tenant's payments, newest first. Throws `invalid_cursor`. */
export async function listPayments(
  deps: ReadPayments,
  owner: Owner,
  query: ListPaymentsQuery,
): Promise<Page<PaymentResponse>> {
  const sealed = `payments:${owner.tenantId}:${owner.mode}`;
  const limit = query.limit ?? 20;
  const rows = await deps.payments.list(owner, {
    limit,
    status: query.status,
    createdGte: query.created_gte === undefined ? undefined : new Date(query.created_gte),
    createdLt: query.created_lt === undefined ? undefined : new Date(query.created_lt),
    before: query.cursor === undefined ? undefined : toPosition(deps.cursors.decode(sealed, query.cursor)),
  });
  const toCursor = (last: PaymentRow) =>
    deps.cursors.encode(sealed, `${last.createdAt.getTime()} ${last.id}`);
  return toPage(rows, limit, paymentResponse, toCursor);
}

function toPosition(text: string): { createdAt: Date; id: string } {
  const [time, id] = text.split(" ");
  if (time === undefined || id === undefined) throw new DomainError("invalid_cursor");
  return { createdAt: new Date(Number(time)), id };
}
