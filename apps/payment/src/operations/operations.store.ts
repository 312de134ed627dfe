import type { Sql, TransactionSql } from "@payflow/service-kit/store/database.ts";
import { toRow } from "@payflow/service-kit/store/rows.ts";
import type { PaymentStatus } from "../payments/payment.ts";
import { type OperationRow, operation, type PaymentRow, payment } from "../schema.ts";
import type { OperationKind } from "./operation.ts";

/** The tenant's payment, locked until the transaction ends; null when there is none. */
export async function lockPayment(
  transaction: TransactionSql,
  owner: { readonly tenantId: string; readonly mode: string },
  paymentId: string,
): Promise<PaymentRow | null> {
  const [row] = await transaction`
    select * from payment
     where id = ${paymentId} and tenant_id = ${owner.tenantId} and mode = ${owner.mode} for update`;
  return row === undefined ? null : toRow(payment, row);
}

/** The kind of the payment's open operation, if any. Nobody can open another while the payment is locked. */
export async function openKind(
  transaction: TransactionSql,
  paymentId: string,
): Promise<OperationKind | null> {
  const [row] = await transaction<{ kind: OperationKind }[]>`
    select kind from operation where payment_id = ${paymentId} and status = 'open'`;
  return row?.kind ?? null;
}

export interface NewOperation {
  readonly id: string;
  readonly paymentId: string;
  readonly kind: OperationKind;
  /** Minor units; null for what moves no money. */
  readonly amount: number | null;
  readonly requestId: string | null;
  readonly idempotencyKey: string | null;
  /** How long the caller holds it; 0 leaves it to the recovery at once. */
  readonly leaseMs: number;
}

/**
 * Opens an operation. A unique index refuses a second open one, a trigger one that the state does not admit.
 */
export async function insertOperation(sql: TransactionSql, request: NewOperation): Promise<OperationRow> {
  const [row] = await sql`
    insert into operation (id, payment_id, kind, amount, request_id, idempotency_key, due_at)
    values (${request.id}, ${request.paymentId}, ${request.kind}, ${request.amount}, ${request.requestId},
            ${request.idempotencyKey}, now() + make_interval(secs => ${request.leaseMs / 1_000}))
    returning *`;
  if (row === undefined) throw new Error(`operation ${request.id} was not inserted`);
  return toRow(operation, row);
}

/** Opens an expiry for each payment whose authorization is over, skipping those at work elsewhere. */
export async function openExpiries(sql: Sql, limit: number, leaseMs: number): Promise<OperationRow[]> {
  const rows = await sql`
    with due as (
      select id from payment
       where due_at <= now() and status in ('authorized', 'flagged')
         and not exists (select from operation where payment_id = payment.id and status = 'open')
       order by due_at limit ${limit} for update skip locked)
    insert into operation (id, payment_id, kind, due_at)
    select gen_random_uuid(), id, 'expire', now() + make_interval(secs => ${leaseMs / 1_000}) from due
    on conflict do nothing
    returning *`;
  return rows.map((row) => toRow(operation, row));
}

/** Takes up open operations whose lease is over or whose inquiry is due; each gets a new fence. */
export async function takeOperations(sql: Sql, limit: number, leaseMs: number): Promise<OperationRow[]> {
  const rows = await sql`
    with due as (
      select id from operation where due_at <= now() order by due_at limit ${limit} for update skip locked)
    update operation set fence = fence + 1, due_at = now() + make_interval(secs => ${leaseMs / 1_000})
      from due where operation.id = due.id
    returning operation.*`;
  return rows.map((row) => toRow(operation, row));
}

/**
 * Gives an operation up until its next inquiry, after so many that told nothing; unless another holds it by
 * now.
 */
export async function postponeOperation(
  sql: Sql | TransactionSql,
  id: string,
  fence: number,
  next: { readonly waitMs: number; readonly inquiries: number },
): Promise<void> {
  await sql`
    update operation
       set inquiries = ${next.inquiries},
           due_at = clock_timestamp() + make_interval(secs => ${next.waitMs / 1_000})
     where id = ${id} and fence = ${fence} and status = 'open'`;
}

export interface Closing {
  readonly id: string;
  readonly fence: number;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** Ends an operation for whoever still holds it by its fence; null when another took it up or ended it. */
export async function closeOperation(
  transaction: TransactionSql,
  closing: Closing,
): Promise<OperationRow | null> {
  const [row] = await transaction`
    update operation
       set status = ${closing.error === null ? "done" : "refused"}, closed_at = clock_timestamp(),
           due_at = null,
           error_code = ${closing.error?.code ?? null}, error_message = ${closing.error?.message ?? null}
     where id = ${closing.id} and fence = ${closing.fence} and status = 'open'
    returning *`;
  return row === undefined ? null : toRow(operation, row);
}

/**
 * Moves the payment to what a done operation made of it and counts the event that tells of it. A final state
 * is settled now and due no more; an approved manual payment keeps the day its authorization expires.
 */
export async function movePayment(
  transaction: TransactionSql,
  paymentId: string,
  to: PaymentStatus,
  amountCaptured: number,
): Promise<PaymentRow> {
  const isFinal = to !== "authorized";
  const [row] = await transaction`
    update payment
       set status = ${to}, amount_captured = ${amountCaptured}, sequence = sequence + 1,
           updated_at = clock_timestamp(),
           settled_at = case when ${isFinal} then clock_timestamp() end,
           due_at = case when ${isFinal} then null else due_at end
     where id = ${paymentId} returning *`;
  if (row === undefined) throw new Error(`payment ${paymentId} does not exist`);
  return toRow(payment, row);
}

/** Looks at an authorization again later, after the processor refused to release it. */
export async function postponeExpiry(
  transaction: TransactionSql,
  paymentId: string,
  waitMs: number,
): Promise<void> {
  await transaction`
    update payment set due_at = now() + make_interval(secs => ${waitMs / 1_000})
     where id = ${paymentId} and status in ('authorized', 'flagged')`;
}

/** The payment of an operation. */
export async function findPayment(sql: Sql | TransactionSql, paymentId: string): Promise<PaymentRow> {
  const [row] = await sql`select * from payment where id = ${paymentId}`;
  if (row === undefined) throw new Error(`payment ${paymentId} does not exist`);
  return toRow(payment, row);
}
