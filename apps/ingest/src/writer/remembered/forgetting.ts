import { isRedisOutage } from "@payflow/service-kit/store/redis.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { pause } from "@payflow/service-kit/work/retry.ts";
import { type Rounds, startRounds } from "@payflow/service-kit/work/rounds.ts";
import type { RememberedStore } from "./remembered.store.ts";

export interface Forgetting {
  readonly remembered: RememberedStore;
  readonly partitions: number;
  readonly logger: Logger;
  readonly everyMs?: number;
}

/** Between two steps, so that appending has its turn. */
const betweenMs = 20;

/**
 * Removes the ids of slices that are over. Every replica does so: a step is the same whoever takes it, and
 * two who take steps at the same time are through sooner.
 */
export function startForgetting({ remembered, partitions, logger, everyMs = 60_000 }: Forgetting): Rounds {
  return startRounds({
    logger,
    failure: "ids that are remembered no longer could not be removed",
    everyMs,
    round: async (signal) => {
      try {
        for (let partition = 0; partition < partitions && !signal.aborted; partition += 1) {
          while ((await remembered.forget(partition)) > 0 && !signal.aborted) await pause(betweenMs, signal);
        }
      } catch (error) {
        if (!isRedisOutage(error)) throw error;
      }
      return undefined;
    },
  });
}
