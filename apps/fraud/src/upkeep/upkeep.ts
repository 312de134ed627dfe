import { type Rounds, startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import { acquireLease, newHolder, releaseLeases } from "@payflow/service-kit/store/lease.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { CompiledPolicy } from "../policies/compile-policy.ts";
import type { Policy } from "../policies/policy.ts";

/** A store whose rows are over their time some day. */
interface Aging {
  /** Deletes up to `limit` rows older than so many days; how many there were. */
  deleteOld(keptDays: number, limit: number): Promise<number>;
}

export interface Upkeep {
  readonly sql: Sql;
  readonly decisions: Aging;
  readonly flags: Aging;
  readonly looks: Aging;
  readonly storedPolicies: Aging & { remember(hash: string, policy: Policy): Promise<void> };
  readonly fallback: Pick<CompiledPolicy, "hash" | "policy">;
  readonly logger: Logger;
}

/**
 * A first decision must be there for as long as payment may ask for it: idempotency and inquiry end within 30
 * days. A policy is kept for longer than any decision that names it.
 */
const keptDays = { decisions: 35, flags: 35, looks: 35, policies: 40 } as const;

/** Rows of one delete: its locks and its share of the log stay small. */
const batchSize = 2_000;
const leaseSeconds = 60;
const leaseName = "upkeep";

/** Deletes what is over its time, in one of the replicas at a time, until told to stop. */
export function startUpkeep(deps: Upkeep, everyMs: number): Pick<Rounds, "stop"> {
  const holder = newHolder("fraud");
  const rounds = startRounds({
    logger: deps.logger,
    failure: "upkeep could not go on; it is tried again",
    everyMs,
    againMs: Math.min(everyMs, 5_000),
    round: async (signal) => {
      await tick(deps, holder, signal);
    },
  });
  return {
    stop: async () => {
      await rounds.stop();
      await releaseLeases(deps.sql, holder, [leaseName]).catch(() => undefined);
    },
  };
}

/** One round. Tests call it in place of the ticking. */
export async function tick(deps: Upkeep, holder: string, signal: AbortSignal): Promise<void> {
  // By every replica: while versions change, their default policies may differ.
  await deps.storedPolicies.remember(deps.fallback.hash, deps.fallback.policy);
  const deletions: readonly ((limit: number) => Promise<number>)[] = [
    (limit) => deps.decisions.deleteOld(keptDays.decisions, limit),
    (limit) => deps.flags.deleteOld(keptDays.flags, limit),
    (limit) => deps.looks.deleteOld(keptDays.looks, limit),
    (limit) => deps.storedPolicies.deleteOld(keptDays.policies, limit),
  ];
  for (const deleteRows of deletions) {
    for (let deleted = batchSize; deleted === batchSize && !signal.aborted; ) {
      if ((await acquireLease(deps.sql, { name: leaseName, holder, leaseSeconds })) === null) return;
      deleted = await deleteRows(batchSize);
    }
  }
}
