import type { Sql } from "@payflow/service-kit/store/database.ts";
import { toRow } from "@payflow/service-kit/store/rows.ts";
import type { Decision } from "../payments/payment.ts";
import { type PaymentRow, payment } from "../schema.ts";

/** Takes up payments left `processing` whose lease is over or whose inquiry is due; each gets a new fence. */
export async function takePayments(sql: Sql, limit: number, leaseMs: number): Promise<PaymentRow[]> {
  const rows = await sql`
    with due as (
      select id from payment where due_at <= now() and status = 'processing'
       order by due_at limit ${limit} for update skip locked)
    update payment set fence = fence + 1, due_at = now() + make_interval(secs => ${leaseMs / 1_000})
      from due where payment.id = due.id
    returning payment.*`;
  return rows.map((row) => toRow(payment, row));
}

/**
 * Gives a payment up until its next inquiry, after so many that told nothing; unless another holds it by now.
 */
export async function postponePayment(
  sql: Sql,
  id: string,
  fence: number,
  next: { readonly waitMs: number; readonly inquiries: number },
): Promise<void> {
  await sql`
    update payment
       set inquiries = ${next.inquiries},
           due_at = clock_timestamp() + make_interval(secs => ${next.waitMs / 1_000})
     where id = ${id} and fence = ${fence} and status = 'processing'`;
}

/** Notes a judgement that came after the charge, for whoever still holds the payment by its fence. */
export async function noteLateJudgement(
  sql: Sql,
  id: string,
  fence: number,
  decision: Decision,
): Promise<void> {
  await sql`
    update payment set late_decision = ${decision}
     where id = ${id} and fence = ${fence} and status = 'processing' and late_decision is null`;
}

/** Whether a flag that blocks waits for the end of this payment. */
export async function hasWaitingBlock(sql: Sql, paymentId: string): Promise<boolean> {
  const rows = await sql`
    select from flag where payment_id = ${paymentId} and applied_at is null and decision = 'block' limit 1`;
  return rows.length === 1;
}

export interface OpenWork {
  readonly kind: "payment" | "operation" | "refund";
  readonly count: number;
  /** Age of the oldest, in seconds. */
  readonly oldestSeconds: number;
}

/**
 * How much is open that at least one inquiry could not settle, and since when: what an alert watches. It
 * reads the index of what is `processing`, not all that is due some day, and leaves the entries of what is no
 * longer open marked as dead there, so that a tenant's list of open payments need not pass them.
 */
export async function findOpenWork(sql: Sql): Promise<OpenWork[]> {
  return sql<OpenWork[]>`
    select kind, count(created_at)::int as count,
           coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as "oldestSeconds"
      from (values ('payment'), ('operation'), ('refund')) as kinds (kind)
      left join (
        select 'payment' as of, created_at from payment
         where settled_at is null and status = 'processing' and inquiries > 0
        union all select 'operation', created_at from operation where due_at is not null and inquiries > 0
        union all select 'refund', created_at from refund where due_at is not null and inquiries > 0) as open
        on open.of = kind
     group by kind`;
}
