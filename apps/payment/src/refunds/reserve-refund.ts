import { newId } from "@payflow/contracts/ids.ts";
import { insertOutbox } from "@payflow/service-kit/outbox/outbox.ts";
import type { TransactionSql } from "@payflow/service-kit/store/database.ts";
import type { RefundRow } from "../schema.ts";
import { refundInitiated } from "./refund-events.ts";
import { insertRefund, type NewRefund, type Owner, reserve } from "./refunds.store.ts";

export interface ReserveRequest extends NewRefund {
  /** Minor units; null for all that is left. */
  readonly amount: number | null;
  readonly traceparent?: string;
}

/** A new refund's id, which is its key at the processor too. */
export function newRefundId(): string {
  return newId("ref");
}

/**
 * Sets money aside for a refund and tells of it, within the caller's transaction; null when that is not
 * possible.
 */
export async function reserveRefund(
  transaction: TransactionSql,
  owner: Owner,
  paymentId: string,
  request: ReserveRequest,
): Promise<RefundRow | null> {
  const reservation = await reserve(transaction, owner, paymentId, request.amount);
  if (reservation === null) return null;
  const refund = await insertRefund(transaction, reservation, request);
  await insertOutbox(transaction, [refundInitiated(refund, reservation.payment, request.traceparent)]);
  return refund;
}
