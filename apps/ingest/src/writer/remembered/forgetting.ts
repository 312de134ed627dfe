import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import { type Rounds, startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import { isRedisOutage } from "@payflow/service-kit/store/redis.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { RememberedStore } from "./remembered.store.ts";

export interface Forgetting {
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  /** How long a slice of remembered ids is. */
  readonly sliceMs: number;
  readonly logger: Logger;
  readonly everyMs?: number;
}

/** Between two steps, so that appending has its turn. */
const betweenMs = 20;

/**
 * Removes the ids of slices that are over. Every replica does so: a step is the same whoever takes it, and
 * two who take steps at the same time are through sooner.
 */
export function startForgetting(options: Forgetting): Rounds {
  const { redis, keys, partitions, sliceMs, logger, everyMs = 60_000 } = options;
  const remembered = new RememberedStore(redis, keys, sliceMs);
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
