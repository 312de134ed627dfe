/*
 * What the cache Redis holds for authentication. Only the tenant app writes there, but for the marks of use.
 *
 * `state` is one hash, so that it can only be lost as a whole: `epoch` (new after each loss), `number` (of
 * the latest change published), `at` (milliseconds of Redis's clock at which every change committed until
 * then was published), and one field per changed key or tenant with the number of its change, the tombstone
 * that refuses older records. `changes` is the capped stream of changes; an entry's id is the change's
 * number. An entry of a key is a hash of epoch, key, tenant, version and record; it counts only under the
 * present epoch.
 */
export const stateKey = "payflow:auth:state";
export const changesKey = "payflow:auth:changes";
export const usedKey = "payflow:auth:used";

/** The entry of a key, by the key's SHA-256 in hex. */
export function entryKey(sha256: string): string {
  return `payflow:auth:key:${sha256}`;
}

/** A record may be used this long after the moment for which it is known to have been right. */
export const provenForMs = 500;
/** A record is read anew after this long, whatever the feed says. */
export const entryLifeMs = 30_000;
