import { type Rounds, startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import { newHolder } from "@payflow/service-kit/store/lease.ts";
import { type ProbeEndpoints, probeEndpoints } from "./probe-endpoints.ts";
import type { UpkeepStore } from "./upkeep.store.ts";

/**
 * How long attempts, messages with their finished deliveries, and what waits for disabled endpoints are kept.
 */
export const keptDays = 30;

const periods = { tickMs: 10_000, cleanEveryMs: 10 * 60_000, partitionsEveryMs: 60 * 60_000 };
const batch = 1_000;
const drainBatch = 100;
const leaseSeconds = 300;

export interface Upkeep extends ProbeEndpoints {
  /** Takes away endpoints that were drained, up to a limit; how many there were. */
  readonly drains: { finishDrains(limit: number): Promise<number> };
}

/**
 * Does what nobody waits for: cancels what waits for deleted endpoints, probes disabled ones, makes the
 * attempts' partitions ahead of time, and drops what is past its time in bounded batches, one replica at a
 * time. Woken, it looks at once for what waits for deleted endpoints.
 */
export function startUpkeep(deps: Upkeep): Rounds {
  const holder = newHolder("notifier");
  const due = { cleaning: performance.now() + periods.tickMs, partitions: 0 };

  async function round(signal: AbortSignal): Promise<undefined> {
    if (performance.now() >= due.partitions) {
      await deps.upkeep.makePartitions();
      due.partitions = performance.now() + periods.partitionsEveryMs;
    }
    while ((await deps.upkeep.cancelOrphans(batch, keptDays)) === batch && !signal.aborted);
    await deps.drains.finishDrains(drainBatch);
    await probeEndpoints(deps);
    if (performance.now() >= due.cleaning) {
      due.cleaning = performance.now() + periods.cleanEveryMs;
      await deps.upkeep.alone(holder, "webhook-cleaning", leaseSeconds, () => clean(deps.upkeep, signal));
    }
  }

  return startRounds({
    logger: deps.logger,
    failure: "the queue's upkeep failed and is tried again",
    everyMs: periods.tickMs,
    round,
  });
}

/** Drops what is past its time: partitions of attempts, and finished messages from the oldest on. */
export async function clean(upkeep: UpkeepStore, signal: AbortSignal): Promise<void> {
  await upkeep.dropPartitions(keptDays);
  let after: string | null = "0";
  while (after !== null && !signal.aborted) after = await upkeep.dropMessages(after, batch, keptDays);
  await upkeep.dropEndpoints(batch);
}
