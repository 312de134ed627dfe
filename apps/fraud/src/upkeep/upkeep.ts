import { firstIdAt } from "@payflow/contracts/ids.ts";
import type { Sql } from "@payflow/service-kit/database.ts";
import { acquireLease, newHolder, releaseLeases } from "@payflow/service-kit/lease.ts";
import type { Logger } from "@payflow/service-kit/logging.ts";
import { pause } from "@payflow/service-kit/retry.ts";
import type { DecisionsStore } from "../decisions/decisions.store.ts";
import type { FlagsStore } from "../flags/flags.store.ts";
import type { CompiledPolicy } from "../policies/compile-policy.ts";
import type { PoliciesStore } from "../policies/policies.store.ts";
import type { LooksStore } from "../second-look/looks.store.ts";

export interface Upkeep {
  readonly sql: Sql;
  readonly decisions: Pick<DecisionsStore, "deleteOld">;
  readonly flags: Pick<FlagsStore, "deleteOld">;
  readonly looks: Pick<LooksStore, "deleteOld">;
  readonly store: Pick<PoliciesStore, "deleteOld" | "remember">;
  readonly fallback: CompiledPolicy;
  readonly logger: Logger;
}

/**
 * A first decision must be there for as long as payment may ask for it: idempotency and inquiry end within 30 days.
 * A policy is kept for longer than any decision that names it.
 */
export const keptDays = { decisions: 35, flags: 35, looks: 35, policies: 40 } as const;

/** Rows of one delete: its locks and its share of the log stay small. */
const batchSize = 2_000;
const leaseSeconds = 60;
const leaseName = "upkeep";
const dayMs = 86_400_000;

/** Deletes what is over its time, in one of the replicas at a time, until told to stop. */
export function startUpkeep(deps: Upkeep, everyMs: number): { stop(): Promise<void> } {
  const holder = newHolder("fraud");
  const stopping = new AbortController();
  const ended = (async () => {
    while (!stopping.signal.aborted) {
      let waitMs = everyMs;
      try {
        await tick(deps, holder, stopping.signal);
      } catch (error) {
        deps.logger.warn({ err: error }, "upkeep could not go on; it is tried again");
        waitMs = Math.min(everyMs, 5_000);
      }
      await pause(waitMs, stopping.signal);
    }
    await releaseLeases(deps.sql, holder, [leaseName]).catch(() => undefined);
  })();
  return {
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

/** One round. Tests call it in place of the ticking. */
export async function tick(deps: Upkeep, holder: string, signal: AbortSignal): Promise<void> {
  // By every replica: while versions change, their default policies may differ.
  await deps.store.remember(deps.fallback.hash, deps.fallback.policy);
  const oldest = (days: number) => firstIdAt("pay", Date.now() - days * dayMs);
  const deletions = [
    () => deps.decisions.deleteOld(oldest(keptDays.decisions), keptDays.decisions, batchSize),
    () => deps.flags.deleteOld(oldest(keptDays.flags), keptDays.flags, batchSize),
    () => deps.looks.deleteOld(keptDays.looks, batchSize),
    () => deps.store.deleteOld(keptDays.policies, batchSize),
  ];
  for (const deleteBatch of deletions) {
    for (let deleted = batchSize; deleted === batchSize && !signal.aborted; ) {
      if ((await acquireLease(deps.sql, { name: leaseName, holder, leaseSeconds })) === null) return;
      deleted = await deleteBatch();
    }
  }
}
