import { type CompiledPolicy, compilePolicy } from "./compile-policy.ts";
import type { PoliciesStore } from "./policies.store.ts";
import type { Policy, PolicyOwner } from "./policy.ts";

/** A policy is used for this long without asking whether it was changed. */
const freshMs = 500;

/** Tenants and modes whose policies are remembered; beyond, the one asked for longest ago is dropped. */
const maxRemembered = 10_000;

export interface PolicyCache {
  /** The policies in force, in the order of the owners. Asks the store once for all that are not fresh. */
  find(owners: readonly PolicyOwner[]): Promise<readonly CompiledPolicy[]>;
  /**
   * The policy of a hash, as long as a decision may name it. Throws where it is gone: it is kept for longer.
   */
  version(hash: string): Promise<Policy>;
  /** Forgets one, so that its next use asks the store. */
  forget(owner: PolicyOwner): void;
  /** Makes the next use of any ask the store. */
  expire(): void;
  /** What holds for a tenant without a policy of its own. */
  readonly fallback: CompiledPolicy;
}

interface Entry {
  readonly policy: CompiledPolicy;
  /** False where the fallback holds, since there is no row. */
  readonly isOwn: boolean;
  readonly askedAt: number;
}

/**
 * Policies ready for scoring. A change is in effect on every replica after `freshMs` at most, without
 * messages that could be lost; the price is one small query per batch and half second.
 */
export function policyCache(
  store: Pick<PoliciesStore, "inForce" | "version">,
  fallback: CompiledPolicy,
  nowMs: () => number = () => performance.now(),
): PolicyCache {
  const entries = new Map<string, Entry>();
  let expiredAt = Number.NEGATIVE_INFINITY;
  const nameOf = (owner: PolicyOwner) => `${owner.tenantId}:${owner.mode}`;

  async function refresh(stale: readonly PolicyOwner[]): Promise<void> {
    // Taken before the query: the answer is at least as new as this.
    const askedAt = nowMs();
    const asked = stale.map((owner) => {
      const entry = entries.get(nameOf(owner));
      return { ...owner, knownHash: entry?.isOwn ? entry.policy.hash : "" };
    });
    const found = new Map((await store.inForce(asked)).map((row) => [nameOf(row), row]));
    for (const { knownHash, ...owner } of asked) {
      const name = nameOf(owner);
      const row = found.get(name);
      const known = entries.get(name);
      const isSame = row !== undefined && row.policy === null && known?.policy.hash === row.hash;
      // The version known when asking may have been forgotten since; then the next use asks again.
      if (row !== undefined && row.policy === null && !isSame) continue;
      const policy = isSame ? known.policy : row?.policy ? compilePolicy(row.policy) : fallback;
      entries.delete(name);
      entries.set(name, { policy, isOwn: row !== undefined, askedAt });
    }
    for (const oldest of entries.keys()) {
      if (entries.size <= maxRemembered) break;
      entries.delete(oldest);
    }
  }

  return {
    fallback,
    async version(hash) {
      const policy = hash === fallback.hash ? fallback.policy : await store.version(hash);
      if (policy === null) throw new Error(`the policy ${hash} of a decision is gone`);
      return policy;
    },
    expire: () => {
      expiredAt = nowMs();
    },
    forget: (owner) => void entries.delete(nameOf(owner)),
    async find(owners) {
      for (;;) {
        const limit = Math.max(nowMs() - freshMs, expiredAt);
        const stale = new Map<string, PolicyOwner>();
        for (const owner of owners) {
          const entry = entries.get(nameOf(owner));
          if (entry === undefined || entry.askedAt < limit) {
            stale.set(nameOf(owner), { tenantId: owner.tenantId, mode: owner.mode });
          }
        }
        if (stale.size > 0) await refresh([...stale.values()]);
        const policies = owners.map((owner) => entries.get(nameOf(owner))?.policy);
        if (policies.every((policy) => policy !== undefined)) return policies;
      }
    },
  };
}
