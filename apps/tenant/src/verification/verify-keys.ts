import type { VerifiedKey } from "@payflow/contracts/internal-tenant.ts";
import { type KeySecrets, storedValue } from "../api-keys/stored-value.ts";
import type { CachedKey, KeyCacheStore } from "./key-cache.store.ts";
import type { KeyUsage } from "./key-usage.ts";
import type { VerificationStore } from "./verification.store.ts";

export interface VerifyKeys {
  readonly verification: Pick<VerificationStore, "find">;
  readonly keyCache: Pick<KeyCacheStore, "fill">;
  /** The epoch the cache Redis was last seen in; '' for none. */
  readonly epoch: () => string;
  readonly secrets: KeySecrets;
  readonly usage: Pick<KeyUsage, "noteUse" | "noteOldSecret">;
}

/** What keys stand for at this moment, by their SHA-256 in hex; null for a key that was never made. */
export async function verifyKeys(deps: VerifyKeys, keys: readonly string[]): Promise<(VerifiedKey | null)[]> {
  // Known before the rows are read: a record may be cached only where every earlier change has left its mark.
  const epoch = deps.epoch();
  const wanted = keys.flatMap((keySha256, index) =>
    [...deps.secrets.byVersion.values()].map((secret) => ({
      index,
      keySha256,
      value: storedValue(secret, keySha256),
    })),
  );
  const answers = keys.map((): VerifiedKey | null => null);
  const filled: CachedKey[] = [];
  for (const found of await deps.verification.find(wanted.map((one) => one.value))) {
    const asked = wanted[found.position - 1];
    if (asked === undefined) throw new Error("a key was found that nobody asked for");
    const { record, valid_for_ms } = found;
    answers[asked.index] = { record, valid_for_ms };
    filled.push({ keySha256: asked.keySha256, record });
    deps.usage.noteUse(record.key_id);
    if (found.secretVersion !== deps.secrets.current) deps.usage.noteOldSecret(asked.value, asked.keySha256);
  }
  if (epoch !== "") {
    // The answer does not wait for the cache, and without it the key is asked about again.
    void deps.keyCache.fill(epoch, filled).catch(() => {});
  }
  return answers;
}
