import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import { type Rounds, startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import { acquireLease, newHolder, releaseLeases } from "@payflow/service-kit/store/lease.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { forgetOld } from "./idempotency.store.ts";

export interface ForgetAnswers {
  readonly sql: Sql;
  readonly logger: Logger;
  readonly days: number;
}

const batchRows = 2_000;
const leaseName = "forget-answers";
const leaseSeconds = 60;
const everyMs = 10 * 60_000;
/** Between two batches, so that deleting never takes the disk from payments. */
const restMs = 50;

/**
 * Deletes answers older than `days`, in small batches and on one replica at a time; how many were deleted.
 */
export async function forgetAnswers(
  deps: ForgetAnswers,
  holder: string,
  signal: AbortSignal,
): Promise<number> {
  let forgotten = 0;
  while (!signal.aborted) {
    const fence = await acquireLease(deps.sql, { name: leaseName, holder, leaseSeconds });
    if (fence === null) return forgotten;
    const count = await forgetOld(deps.sql, deps.days, batchRows);
    forgotten += count;
    if (count < batchRows) break;
    await pause(restMs, signal);
  }
  await releaseLeases(deps.sql, holder, [leaseName]);
  return forgotten;
}

/** Forgets old answers every few minutes until stopped. */
export function startForgetting(deps: ForgetAnswers): Rounds {
  const holder = newHolder("payment");
  return startRounds({
    logger: deps.logger,
    failure: "old answers could not be forgotten; it is tried again",
    everyMs,
    round: async (signal) => {
      await forgetAnswers(deps, holder, signal);
    },
  });
}
