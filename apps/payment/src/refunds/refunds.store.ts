import type { Sql, TransactionSql } from "@payflow/service-kit/store/database.ts";
import { toRow } from "@payflow/service-kit/store/rows.ts";
import { type PaymentRow, payment, type RefundRow, refund } from "../schema.ts";

export interface Owner {
  readonly tenantId: string;
  readonly mode: "live" | "test";
}

export interface Reservation {
  readonly payment: PaymentRow;
  /** Minor units that were set aside. */
  readonly amount: number;
}

/**
 * Sets the amount aside, or all that is left when none is given, and counts the event that tells of it: one
 * guarded UPDATE, in which the locked row is read again after any wait. Null when the payment is not the
 * owner's, not captured, or has less left.
 */
export async function reserve(
  transaction: TransactionSql,
  owner: Owner,
  paymentId: string,
  amount: number | null,
): Promise<Reservation | null> {
  const [row] = await transaction<(Record<string, unknown> & { reserved: string })[]>`
    update payment
       set refund_pending = payment.refund_pending + coalesce(${amount}::bigint, before.unrefunded),
           sequence = payment.sequence + 1, updated_at = clock_timestamp()
      from (select id, amount_captured - amount_refunded - refund_pending as unrefunded from payment
             where id = ${paymentId} and tenant_id = ${owner.tenantId} and mode = ${owner.mode}
               for update) before
     where payment.id = before.id and payment.status = 'succeeded'
       and coalesce(${amount}::bigint, before.unrefunded) between 1 and before.unrefunded
    returning payment.*, coalesce(${amount}::bigint, before.unrefunded) as reserved`;
  return row === undefined ? null : { payment: toRow(payment, row), amount: Number(row.reserved) };
}

/** The tenant's payment; null when there is none. */
export async function findPayment(
  sql: Sql | TransactionSql,
  owner: Owner,
  paymentId: string,
): Promise<PaymentRow | null> {
  const [row] = await sql`
    select * from payment where id = ${paymentId} and tenant_id = ${owner.tenantId} and mode = ${owner.mode}`;
  return row === undefined ? null : toRow(payment, row);
}

export interface NewRefund {
  readonly id: string;
  readonly reason: string | null;
  readonly requestId: string | null;
  readonly idempotencyKey: string | null;
  readonly flagEventId: string | null;
  /** How long the caller holds it; 0 leaves it to the recovery at once. */
  readonly leaseMs: number;
}

/** The refund of a reservation, made in the same transaction; a trigger refuses one without. */
export async function insertRefund(
  transaction: TransactionSql,
  { payment, amount }: Reservation,
  request: NewRefund,
): Promise<RefundRow> {
  const [row] = await transaction`
    insert into refund (id, payment_id, tenant_id, mode, amount, currency, reason, request_id,
                        idempotency_key, flag_event_id, created_at, due_at)
    values (${request.id}, ${payment.id}, ${payment.tenantId}, ${payment.mode}, ${amount},
            ${payment.currency}, ${request.reason}, ${request.requestId},
            ${request.idempotencyKey}, ${request.flagEventId},
            clock_timestamp(), clock_timestamp() + make_interval(secs => ${request.leaseMs / 1_000}))
    returning *`;
  if (row === undefined) throw new Error(`refund ${request.id} was not inserted`);
  return toRow(refund, row);
}

export interface Settling {
  readonly id: string;
  readonly fence: number;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** Ends a refund for whoever still holds it by its fence; null when another took it up or ended it. */
export async function settleRefund(
  transaction: TransactionSql,
  settling: Settling,
): Promise<RefundRow | null> {
  const [row] = await transaction`
    update refund
       set status = ${settling.error === null ? "succeeded" : "failed"}, settled_at = clock_timestamp(),
           due_at = null, error_code = ${settling.error?.code ?? null},
           error_message = ${settling.error?.message ?? null}
     where id = ${settling.id} and fence = ${settling.fence} and status = 'processing'
    returning *`;
  return row === undefined ? null : toRow(refund, row);
}

/** Turns a settled refund's reservation into refunded money, or gives it back, and counts the event. */
export async function releaseReservation(
  transaction: TransactionSql,
  settled: RefundRow,
): Promise<PaymentRow> {
  const [row] = await transaction`
    update payment
       set refund_pending = refund_pending - ${settled.amount},
           amount_refunded = amount_refunded + ${settled.status === "succeeded" ? settled.amount : 0},
           sequence = sequence + 1, updated_at = clock_timestamp()
     where id = ${settled.paymentId} returning *`;
  if (row === undefined) throw new Error(`payment ${settled.paymentId} does not exist`);
  return toRow(payment, row);
}

/** Takes up refunds whose lease is over or whose inquiry is due; each gets a new fence. */
export async function takeRefunds(sql: Sql, limit: number, leaseMs: number): Promise<RefundRow[]> {
  const rows = await sql`
    with due as (
      select id from refund where due_at <= now() order by due_at limit ${limit} for update skip locked)
    update refund set fence = fence + 1, due_at = now() + make_interval(secs => ${leaseMs / 1_000})
      from due where refund.id = due.id
    returning refund.*`;
  return rows.map((row) => toRow(refund, row));
}

/**
 * Gives a refund up until its next inquiry, after so many that told nothing; unless another holds it by now.
 */
export async function postponeRefund(
  sql: Sql | TransactionSql,
  id: string,
  fence: number,
  next: { readonly waitMs: number; readonly inquiries: number },
): Promise<void> {
  await sql`
    update refund
       set inquiries = ${next.inquiries},
           due_at = clock_timestamp() + make_interval(secs => ${next.waitMs / 1_000})
     where id = ${id} and fence = ${fence} and status = 'processing'`;
}

/** The tenant's refund; null when there is none. */
export async function findRefund(sql: Sql, owner: Owner, refundId: string): Promise<RefundRow | null> {
  const [row] = await sql`
    select * from refund where id = ${refundId} and tenant_id = ${owner.tenantId} and mode = ${owner.mode}`;
  return row === undefined ? null : toRow(refund, row);
}

/** A payment's refunds below a position, newest first, one more than `limit` when there are more. */
export async function listRefunds(
  sql: Sql,
  owner: Owner,
  paymentId: string,
  after: string | null,
  limit: number,
): Promise<RefundRow[]> {
  const rows = await sql`
    select * from refund
     where payment_id = ${paymentId} and tenant_id = ${owner.tenantId} and mode = ${owner.mode}
       and (${after}::text is null or id < ${after}::text collate "C")
     order by id desc limit ${limit + 1}`;
  return rows.map((row) => toRow(refund, row));
}
