import type { ISql } from "postgres";
import {
  type KnownRequest,
  type KnownRow,
  type RequestKey,
  type StoredAnswer,
  toKnown,
} from "./idempotency.ts";

/**
 * Claims a key for `subject` within the caller's transaction: null when it is now this request's, otherwise
 * what the first request left. The look-up is a second statement: one statement would look with the snapshot
 * from before it waited for a concurrent request, and miss that row.
 */
export async function claimKey(
  transaction: ISql,
  key: RequestKey,
  subject: string,
): Promise<KnownRequest | null> {
  for (;;) {
    const taken = await transaction`
      insert into idempotency (id, subject, fingerprint) values (${key.id}, ${subject}, ${key.fingerprint})
      on conflict (id) do nothing returning id`;
    if (taken.length === 1) return null;
    const known = await findKey(transaction, key.id);
    // Released between the two statements, such as by a refusal: the key is free, and claimed anew.
    if (known !== null) return known;
  }
}

/** What the first request with the key left; null when there was none. */
export async function findKey(sql: ISql, id: string): Promise<KnownRequest | null> {
  const [row] = await sql<KnownRow[]>`
    select subject, fingerprint, status, answer from idempotency where id = ${id}`;
  return row === undefined ? null : toKnown(row);
}

/** Keeps the answer of the request that owns the key, within the transaction that makes it true. */
export async function storeAnswer(transaction: ISql, id: string, answer: StoredAnswer): Promise<void> {
  await transaction`
    update idempotency set status = ${answer.status}, answer = ${answer.body} where id = ${id}`;
}

/** Keeps a 202 until the final answer is known, unless that is there already. */
export async function storeAccepted(sql: ISql, id: string, body: string): Promise<void> {
  await sql`update idempotency set status = 202, answer = ${body} where id = ${id} and status is null`;
}

/**
 * Forgets a key whose request was refused after all: refusals are not stored, so that it may be tried again.
 */
export async function releaseKey(transaction: ISql, id: string): Promise<void> {
  await transaction`delete from idempotency where id = ${id}`;
}

/** Deletes up to `limit` rows older than `days`; how many were deleted. */
export async function forgetOld(sql: ISql, days: number, limit: number): Promise<number> {
  const deleted = await sql`
    delete from idempotency where ctid = any(array(
      select ctid from idempotency where created_at < now() - make_interval(days => ${days}) limit ${limit}
        for update skip locked))`;
  return deleted.count;
}
