import { newHolder } from "@payflow/service-kit/lease.ts";
import { pause } from "@payflow/service-kit/retry.ts";
import { type ProbeEndpoints, probeEndpoints } from "./probe-endpoints.ts";
import type { UpkeepStore } from "./upkeep.store.ts";

export interface Upkeep {
  /** Looks at once for what waits for deleted endpoints. */
  wake(): void;
  stop(): Promise<void>;
}

/**
 * How long attempts, messages with their finished deliveries, and what waits for disabled endpoints are kept.
 */
export const keptDays = 30;

const rounds = { tickMs: 10_000, cleanEveryMs: 10 * 60_000, partitionsEveryMs: 60 * 60_000 };
const batch = 1_000;
const leaseSeconds = 300;

/**
 * Does what nobody waits for: cancels what waits for deleted endpoints, probes disabled ones, makes the
 * attempts' partitions ahead of time, and drops what is past its time in bounded batches, one replica at a
 * time.
 */
export function startUpkeep(deps: ProbeEndpoints): Upkeep {
  const ending = new AbortController();
  const holder = newHolder("notifier");
  const due = { cleaning: performance.now() + rounds.tickMs, partitions: 0 };
  let sleep = new AbortController();

  async function round(): Promise<void> {
    if (performance.now() >= due.partitions) {
      await deps.upkeep.makePartitions();
      due.partitions = performance.now() + rounds.partitionsEveryMs;
    }
    while ((await deps.upkeep.cancelOrphans(batch, keptDays)) === batch && !ending.signal.aborted);
    await probeEndpoints(deps);
    if (performance.now() >= due.cleaning) {
      due.cleaning = performance.now() + rounds.cleanEveryMs;
      await deps.upkeep.alone(holder, "webhook-cleaning", leaseSeconds, () =>
        clean(deps.upkeep, ending.signal),
      );
    }
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      sleep = new AbortController();
      await round().catch((error: unknown) => {
        deps.logger.warn({ err: error }, "the queue's upkeep failed and is tried again");
      });
      await pause(rounds.tickMs, sleep.signal);
    }
  }

  const running = run();
  return {
    wake: () => sleep.abort(),
    async stop() {
      ending.abort();
      sleep.abort();
      await running;
    },
  };
}

/** Drops what is past its time: partitions of attempts, and finished messages from the oldest on. */
export async function clean(upkeep: UpkeepStore, signal: AbortSignal): Promise<void> {
  await upkeep.dropPartitions(keptDays);
  let after: string | null = "0";
  while (after !== null && !signal.aborted) after = await upkeep.dropMessages(after, batch, keptDays);
  await upkeep.dropEndpoints(batch);
}
