import type { EventEnvelope } from "@payflow/contracts/events.ts";
import type { Sql, TransactionSql } from "@payflow/service-kit/store/database.ts";
import type { OperationKind } from "../../operations/operation.ts";
import type { Decision } from "../payment.ts";
import type { Flaggable, LateFlag } from "./late-flag.ts";

/**
 * Keeps the events that were not kept before and answers the payments they concern. Each must name a payment
 * of its own tenant and mode; how many did not is told, too.
 */
export async function insertFlags(
  transaction: TransactionSql,
  events: readonly EventEnvelope<"fraud.flagged">[],
): Promise<{ readonly paymentIds: readonly string[]; readonly strangers: number }> {
  // The driver cannot send an array of booleans, so that they travel as 0 and 1.
  const rows = await transaction<{ payment_id: string | null; is_known: boolean }[]>`
    with given as (
      select * from unnest(
        ${events.map((event) => event.event_id)}::text[],
        ${events.map((event) => event.data.payment_id)}::text[],
        ${events.map((event) => event.tenant_id)}::text[], ${events.map((event) => event.mode)}::text[],
        ${events.map((event) => event.data.rule_triggered)}::text[],
        ${events.map((event) => Math.round(event.data.risk_score))}::int[],
        ${events.map((event) => event.data.decision)}::text[],
        ${events.map((event) => (event.data.refund ? 1 : 0))}::int[],
        ${events.map((event) => event.data.flagged_at)}::text[]::timestamptz[])
        as given (event_id, payment_id, tenant_id, mode, rule, score, decision, wants_refund, flagged_at)),
    known as (
      select given.* from given join payment on payment.id = given.payment_id
         and payment.tenant_id = given.tenant_id and payment.mode = given.mode),
    kept as (
      insert into flag (event_id, payment_id, rule, score, decision, wants_refund, flagged_at, due_at)
      select event_id, payment_id, rule, score, decision, wants_refund::boolean, flagged_at, now()
        from known order by event_id
      on conflict (event_id) do nothing returning payment_id)
    select payment_id, true as is_known from kept
    union all
    select null, false from given where not exists (select from known where known.event_id = given.event_id)`;
  const paymentIds = rows.flatMap((row) => (row.payment_id === null ? [] : [row.payment_id]));
  return {
    paymentIds: [...new Set(paymentIds)].sort(),
    strangers: rows.filter((row) => !row.is_known).length,
  };
}

export interface FlaggedPayment extends Flaggable {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: "live" | "test";
  readonly lateDecision: Decision | null;
  readonly requestId: string;
}

/** The payment, locked until the transaction ends, with its open operation as it is once the lock is had. */
export async function lockFlagged(
  transaction: TransactionSql,
  paymentId: string,
): Promise<FlaggedPayment | null> {
  const [payment] = await transaction<FlaggedPayment[]>`
    select id, tenant_id as "tenantId", mode, status, late_decision as "lateDecision",
           request_id as "requestId", refund_pending::float8 as "refundPending"
      from payment where id = ${paymentId} for update`;
  if (payment === undefined) return null;
  // A statement of its own: the one before looked with a snapshot from before it waited for the lock.
  const [open] = await transaction<{ kind: OperationKind }[]>`
    select kind from operation where payment_id = ${paymentId} and status = 'open'`;
  return { ...payment, open: open?.kind ?? null };
}

/** The payment's flags that still wait. */
export async function waitingFlags(transaction: TransactionSql, paymentId: string): Promise<LateFlag[]> {
  return transaction<LateFlag[]>`
    select event_id as "eventId", decision, wants_refund as "wantsRefund"
      from flag where payment_id = ${paymentId} and applied_at is null`;
}

/** Notes on the payment what fraud said too late. */
export async function noteLateDecision(
  transaction: TransactionSql,
  paymentId: string,
  decision: Decision,
): Promise<void> {
  await transaction`
    update payment set late_decision = ${decision}, updated_at = clock_timestamp() where id = ${paymentId}`;
}

/** Marks the payment's waiting flags as applied. */
export async function markApplied(transaction: TransactionSql, paymentId: string): Promise<void> {
  await transaction`
    update flag set applied_at = clock_timestamp(), due_at = null
     where payment_id = ${paymentId} and applied_at is null`;
}

/**
 * Takes up payments with waiting flags that nothing holds up any more: whoever ended their state died before
 * applying them. Applying twice does no harm, so that these holds need no fence.
 */
export async function takeOverdue(sql: Sql, limit: number, leaseMs: number): Promise<string[]> {
  const rows = await sql<{ payment_id: string }[]>`
    with overdue as (
      select event_id from flag join payment on payment.id = flag.payment_id
       where flag.due_at <= now() and payment.status <> 'processing'
         and not exists (select from operation where payment_id = payment.id and status = 'open')
         and (payment.refund_pending = 0 or not (flag.wants_refund and flag.decision = 'block'))
       order by flag.due_at limit ${limit} for update of flag skip locked)
    update flag set due_at = now() + make_interval(secs => ${leaseMs / 1_000})
      from overdue where flag.event_id = overdue.event_id
    returning flag.payment_id`;
  return [...new Set(rows.map((row) => row.payment_id))];
}
