import type { ISql } from "postgres";
import { claimKey, releaseKey, storeAccepted, storeAnswer } from "./idempotency.store.ts";
import { type RequestKey, replay, type StoredAnswer } from "./idempotency.ts";

/**
 * Claims the request's key for what it is about to make, in the same transaction. Null when the request is
 * the first of its key, otherwise the first one's answer. Throws `idempotency_key_reused` or
 * `idempotency_in_progress`.
 */
export async function claimOnce(
  transaction: ISql,
  key: RequestKey,
  subject: string,
): Promise<StoredAnswer | null> {
  const known = await claimKey(transaction, key, subject);
  return known === null ? null : replay(known, key);
}

/** Answers later repeats of a request with what it came to; nothing to do where no request asked. */
export async function answerRepeats(
  transaction: ISql,
  keyId: string | null,
  answer: StoredAnswer,
): Promise<void> {
  if (keyId !== null) await storeAnswer(transaction, keyId, answer);
}

/** Answers repeats with 202 as long as there is no final answer. */
export async function answerRepeatsMeanwhile(sql: ISql, keyId: string | null, body: string): Promise<void> {
  if (keyId !== null) await storeAccepted(sql, keyId, body);
}

/** Lets the same key be used anew after a refusal. */
export async function allowAnew(transaction: ISql, keyId: string | null): Promise<void> {
  if (keyId !== null) await releaseKey(transaction, keyId);
}
