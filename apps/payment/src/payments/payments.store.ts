import type { Mode } from "@payflow/contracts/access.ts";
import { unavailable } from "@payflow/contracts/errors.ts";
import { coalesce } from "@payflow/service-kit/concurrency/coalesce.ts";
import { type Database, isOutage, transact } from "@payflow/service-kit/store/database.ts";
import { lines } from "@payflow/service-kit/store/lines.ts";
import { and, desc, eq, gte, isNotNull, isNull, lt, type SQL, sql as text } from "drizzle-orm";
import {
  type KnownRequest,
  type KnownRow,
  type RequestKey,
  type StoredAnswer,
  toKnown,
} from "../idempotency/idempotency.ts";
import { answerRepeatsMeanwhile } from "../idempotency/once.ts";
import { type PaymentRow, payment } from "../schema.ts";
import type { Decision, PaymentStatus } from "./payment.ts";

/** A new payment, to be stored together with its key and its first event. */
export interface PaymentClaim {
  readonly row: PaymentRow;
  readonly key: RequestKey;
  readonly event: string;
  /** Answers repeats from the start where the caller does not wait; null otherwise. */
  readonly answer: StoredAnswer | null;
}

/** The end of `processing`: the row as it is to stand, the answer for repeats and the event. */
export interface PaymentEnding {
  readonly row: PaymentRow;
  readonly answer: StoredAnswer;
  readonly topic: string;
  readonly event: string;
  /** When an authorization expires, from now on; null for what is final. */
  readonly expiresMs: number | null;
}

/** What the database says of an ending: a late flag that came meanwhile, or null. */
export interface Ended {
  readonly lateDecision: Decision | null;
}

export interface PaymentStore {
  /** Null when the payment is now made; what the key's first request left otherwise. */
  claim(request: PaymentClaim): Promise<KnownRequest | null>;
  /** Null when the fence is no longer the caller's: then nothing was changed. */
  finish(ending: PaymentEnding): Promise<Ended | null>;
  /**
   * Leaves an open payment to recovery, first due after `dueMs`. False when the fence is no longer the
   * caller's.
   */
  postpone(row: PaymentRow, answer: StoredAnswer, dueMs: number): Promise<boolean>;
  find(owner: Owner, id: string): Promise<PaymentRow | null>;
  list(owner: Owner, filter: PaymentFilter): Promise<PaymentRow[]>;
}

/** Whose payments: taken from the key alone. */
export interface Owner {
  readonly tenantId: string;
  readonly mode: Mode;
}

export interface PaymentFilter {
  readonly limit: number;
  readonly status?: PaymentStatus | undefined;
  readonly createdGte?: Date | undefined;
  readonly createdLt?: Date | undefined;
  /** The page goes on below this payment. */
  readonly before?: { readonly createdAt: Date; readonly id: string } | undefined;
}

export interface PaymentStoreOptions {
  /** How long a new payment is held by whoever made it. */
  readonly leaseMs: number;
  /** Called after a commit that left events in the outbox. */
  readonly onEvents: () => void;
}

/** Payments in PostgreSQL. Concurrent claims go out as one call, and so do concurrent endings. */
export function paymentStore(database: Database, options: PaymentStoreOptions): PaymentStore {
  const onFull = () => unavailable("The payment store");
  const shared = { maxInFlight: 1, isOutage, onFull };
  return {
    claim: coalesce<PaymentClaim, KnownRequest | null>({
      // What is claimed together is scored, charged and finished together.
      gatherMs: 4,
      ...shared,
      run: async (claims) => {
        const known = await claimAll(database, claims, options.leaseMs);
        options.onEvents();
        return known;
      },
      compare: (left, right) => (left.key.id < right.key.id ? -1 : 1),
    }),
    finish: coalesce<PaymentEnding, Ended | null>({
      ...shared,
      run: async (endings) => {
        const ended = await finishAll(database, endings);
        options.onEvents();
        return ended;
      },
      compare: (left, right) => (left.row.id < right.row.id ? -1 : 1),
    }),
    postpone: (row, answer, dueMs) => postpone(database, row, answer, dueMs),
    async find(owner, id) {
      const [row] = await database.db
        .select()
        .from(payment)
        .where(and(eq(payment.id, id), eq(payment.tenantId, owner.tenantId), eq(payment.mode, owner.mode)));
      return row ?? null;
    },
    list: (owner, filter) => list(database, owner, filter),
  };
}

async function claimAll(
  { sql }: Database,
  claims: readonly PaymentClaim[],
  leaseMs: number,
): Promise<(KnownRequest | null)[]> {
  const column = <T>(of: (claim: PaymentClaim) => T) => claims.map(of);
  const known = await sql<(KnownRow & { place: number })[]>`
    select place, subject, fingerprint, status, answer from claim_payments(
      ${column(({ key }) => key.id)}::uuid[],
      ${column(({ key }) => Buffer.from(key.fingerprint).toString("hex"))}::text[],
      ${column(({ row }) => row.id)}::text[], ${column(({ row }) => row.tenantId)}::text[],
      ${column(({ row }) => row.mode)}::text[], ${column(({ row }) => row.amount)}::bigint[],
      ${column(({ row }) => row.currency)}::text[], ${column(({ row }) => row.captureMethod)}::text[],
      ${column(({ row }) => row.paymentMethod)}::text[], ${column(({ row }) => row.description)}::text[],
      ${column(({ row }) => row.metadata)}::text[], ${column(({ row }) => row.customerId)}::text[],
      ${column(({ row }) => row.cardFingerprint)}::text[], ${column(({ row }) => row.ip)}::text[],
      ${column(({ row }) => row.requestId)}::text[],
      ${column(({ row }) => row.createdAt.toISOString())}::text[]::timestamptz[],
      string_to_array(${lines(column(({ event }) => event))}, E'\n', ''),
      ${column(({ answer }) => answer?.status ?? null)}::smallint[],
      string_to_array(${lines(column(({ answer }) => answer?.body ?? null))}, E'\n', ''),
      ${leaseMs}::integer)`;
  const results: (KnownRequest | null)[] = claims.map(() => null);
  for (const row of known) results[row.place - 1] = toKnown(row);
  return results;
}

async function finishAll({ sql }: Database, endings: readonly PaymentEnding[]): Promise<(Ended | null)[]> {
  const column = <T>(of: (ending: PaymentEnding) => T) => endings.map(of);
  const ended = await sql<{ id: string; late_decision: Decision | null }[]>`
    select id, late_decision from finish_payments(
      ${column(({ row }) => row.id)}::text[], ${column(({ row }) => row.fence)}::integer[],
      ${column(({ row }) => row.sequence)}::smallint[], ${column(({ row }) => row.status)}::text[],
      ${column(({ row }) => row.amountCaptured)}::bigint[], ${column(({ row }) => row.errorCode)}::text[],
      ${column(({ row }) => row.errorMessage)}::text[], ${column(({ row }) => row.fraudDecision)}::text[],
      ${column(({ row }) => row.fraudScore)}::smallint[], ${column(({ row }) => row.fraudRules)}::text[],
      ${column(({ row }) => row.scoringSource)}::text[], ${column((one) => one.expiresMs)}::bigint[],
      ${column(({ row }) => row.updatedAt.toISOString())}::text[]::timestamptz[],
      ${column(({ row }) => row.settledAt?.toISOString() ?? null)}::text[]::timestamptz[],
      ${column(({ answer }) => answer.status)}::smallint[],
      string_to_array(${lines(column(({ answer }) => answer.body))}, E'\n', ''),
      ${column((one) => one.topic)}::text[],
      string_to_array(${lines(column((one) => one.event))}, E'\n', ''))`;
  const byId = new Map(ended.map((row) => [row.id, { lateDecision: row.late_decision }]));
  return endings.map(({ row }) => byId.get(row.id) ?? null);
}

async function postpone(
  { sql }: Database,
  row: PaymentRow,
  answer: StoredAnswer,
  dueMs: number,
): Promise<boolean> {
  return transact(sql, async (transaction) => {
    const kept = await transaction`
      update payment
         set due_at = clock_timestamp() + ${dueMs} * interval '1 millisecond',
             fraud_decision = ${row.fraudDecision}, fraud_score = ${row.fraudScore},
             fraud_rules = ${row.fraudRules},
             scoring_source = ${row.scoringSource}
       where id = ${row.id} and fence = ${row.fence} and status = 'processing'
      returning id`;
    if (kept.length === 0) return false;
    await answerRepeatsMeanwhile(transaction, row.idempotencyKey, answer.body);
    return true;
  });
}

/**
 * Where the page begins, from the end of the range or from the cursor, whichever comes first and so implies
 * the other. Of two ends PostgreSQL would walk the index from the first to the second on every page.
 */
function endOf({ createdLt, before }: PaymentFilter): SQL | undefined {
  if (before === undefined || (createdLt !== undefined && createdLt <= before.createdAt)) {
    return createdLt === undefined ? undefined : lt(payment.createdAt, createdLt);
  }
  const { createdAt, id } = before;
  return text`(${payment.createdAt}, ${payment.id}) < (${createdAt.toISOString()}::timestamptz, ${id})`;
}

function list({ db }: Database, owner: Owner, filter: PaymentFilter): Promise<PaymentRow[]> {
  const conditions: SQL[] = [eq(payment.tenantId, owner.tenantId), eq(payment.mode, owner.mode)];
  // Written out, so that the planner sees which index of one or some states serves.
  if (filter.status !== undefined) {
    conditions.push(text`${payment.status} = ${text.raw(`'${filter.status}'`)}`);
    if (filter.status === "processing") conditions.push(isNull(payment.settledAt));
    if (filter.status === "succeeded") conditions.push(isNotNull(payment.settledAt));
  }
  if (filter.createdGte !== undefined) conditions.push(gte(payment.createdAt, filter.createdGte));
  const end = endOf(filter);
  if (end !== undefined) conditions.push(end);
  return db
    .select()
    .from(payment)
    .where(and(...conditions))
    .orderBy(desc(payment.createdAt), desc(payment.id))
    .limit(filter.limit + 1);
}
