import type { Sql } from "@payflow/service-kit/database.ts";
import { acquireLease, newHolder, releaseLeases } from "@payflow/service-kit/lease.ts";
import type { Logger } from "@payflow/service-kit/logging.ts";
import { startRounds } from "@payflow/service-kit/rounds.ts";

export interface Upkeep {
  readonly sql: Sql;
  /** Each deletes up to so many rows that are over their time, and tells how many there were. */
  readonly deletions: readonly ((limit: number) => Promise<number>)[];
  /** Says that this replica's default policy is in use. */
  readonly rememberDefault: () => Promise<void>;
  readonly logger: Logger;
}

/**
 * A first decision must be there for as long as payment may ask for it: idempotency and inquiry end within 30
 * days. A policy is kept for longer than any decision that names it.
 */
export const keptDays = { decisions: 35, flags: 35, looks: 35, policies: 40 } as const;

/** Rows of one delete: its locks and its share of the log stay small. */
const batchSize = 2_000;
const leaseSeconds = 60;
const leaseName = "upkeep";

/** Deletes what is over its time, in one of the replicas at a time, until told to stop. */
export function startUpkeep(deps: Upkeep, everyMs: number): { stop(): Promise<void> } {
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
  await deps.rememberDefault();
  for (const deleteRows of deps.deletions) {
    for (let deleted = batchSize; deleted === batchSize && !signal.aborted; ) {
      if ((await acquireLease(deps.sql, { name: leaseName, holder, leaseSeconds })) === null) return;
      deleted = await deleteRows(batchSize);
    }
  }
}
