import type { Mode } from "@payflow/contracts/access.ts";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import type { FraudDecision } from "@payflow/contracts/internal-fraud.ts";
import { outboxRow } from "@payflow/service-kit/outbox/outbox.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import type { secondLook } from "../schema.ts";

export type SecondLook = typeof secondLook.$inferSelect;

export interface PaymentFacts {
  readonly paymentId: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly amount: number;
  readonly currency: string;
  readonly customerId: string | null;
  readonly cardFingerprint: string | null;
  readonly ip: string | null;
  readonly requestId: string | null;
}

/** What became of a payment that was not scored in time. */
export interface UnscoredOutcome {
  readonly paymentId: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly applied: FraudDecision;
  readonly source: "fail_mode" | "none";
  readonly requestId: string | null;
}

export interface LooksStore {
  /**
   * Keeps the facts of payments that have no decision yet. Answers those a second look can be taken at now.
   */
  noteFacts(payments: readonly PaymentFacts[]): Promise<readonly SecondLook[]>;
  /**
   * Keeps what was applied to payments, unless their second look is over. Answers those it can be taken at
   * now.
   */
  noteOutcomes(outcomes: readonly UnscoredOutcome[]): Promise<readonly SecondLook[]>;
  /** Ends second looks, each once, with the events of those that were still open. */
  finish(paymentIds: readonly string[], events: readonly EventEnvelope[]): Promise<void>;
  /** Forgets payments that were scored in time. */
  forget(paymentIds: readonly string[]): Promise<void>;
  /** Deletes up to `limit` rows older than so many days; how many there were. */
  deleteOld(keptDays: number, limit: number): Promise<number>;
}

/** Second looks in PostgreSQL, by its functions of the migrations. */
export function looksStore(sql: Sql): LooksStore {
  return {
    async noteFacts(payments) {
      const rows = inOrder(payments);
      const ready = await sql<Row[]>`
        select * from note_facts(
          ${rows.map((row) => row.paymentId)}::text[], ${rows.map((row) => row.tenantId)}::text[],
          ${rows.map((row) => row.mode)}::text[], ${rows.map((row) => row.amount)}::bigint[],
          ${rows.map((row) => row.currency)}::text[], ${rows.map((row) => row.customerId)}::text[],
          ${rows.map((row) => row.cardFingerprint)}::text[], ${rows.map((row) => row.ip)}::text[],
          ${rows.map((row) => row.requestId)}::text[])`;
      return ready.map(toSecondLook);
    },
    async noteOutcomes(outcomes) {
      const rows = inOrder(outcomes);
      const ready = await sql<Row[]>`
        select * from note_outcomes(
          ${rows.map((row) => row.paymentId)}::text[], ${rows.map((row) => row.tenantId)}::text[],
          ${rows.map((row) => row.mode)}::text[], ${rows.map((row) => row.applied)}::text[],
          ${rows.map((row) => row.source)}::text[], ${rows.map((row) => row.requestId)}::text[])`;
      return ready.map(toSecondLook);
    },
    async finish(paymentIds, events) {
      await sql`
        select finish_looks(${[...paymentIds].sort()}::text[],
                            ${events.map((event) => outboxRow(event).envelope)}::text[])`;
    },
    async forget(paymentIds) {
      await sql`select forget_looks(${[...paymentIds].sort()}::text[])`;
    },
    async deleteOld(keptDays, limit) {
      const deleted = await sql`
        delete from second_look where payment_id in (
          select payment_id from second_look
           where created_at < now() - make_interval(days => ${keptDays}) order by payment_id limit ${limit})`;
      return deleted.count;
    },
  };
}

interface Row {
  payment_id: string;
  tenant_id: string;
  mode: Mode;
  /** A bigint, which the driver hands over as a text. */
  amount: string | null;
  currency: string | null;
  customer_id: string | null;
  card_fingerprint: string | null;
  ip: string | null;
  request_id: string | null;
  applied: FraudDecision | null;
  source: "fail_mode" | "none" | null;
  created_at: Date;
}

function toSecondLook(row: Row): SecondLook {
  return {
    paymentId: row.payment_id,
    tenantId: row.tenant_id,
    mode: row.mode,
    amount: row.amount === null ? null : Number(row.amount),
    currency: row.currency,
    customerId: row.customer_id,
    cardFingerprint: row.card_fingerprint,
    ip: row.ip,
    requestId: row.request_id,
    applied: row.applied,
    source: row.source,
    createdAt: row.created_at,
  };
}

/**
 * One row a payment, the last one given, in the order of their ids: two processes lock rows in the same
 * order.
 */
function inOrder<T extends { readonly paymentId: string }>(rows: readonly T[]): T[] {
  const unique = [...new Map(rows.map((row) => [row.paymentId, row])).values()];
  return unique.sort((left, right) => (left.paymentId < right.paymentId ? -1 : 1));
}
