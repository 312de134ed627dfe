import { unavailable } from "@payflow/contracts/errors.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { pause } from "@payflow/service-kit/concurrency/retry.ts";

/** Clocks of this process and of the broker may differ by this much. */
const marginSeconds = 1;
const pollMs = 250;

/**
 * Waits until the ledger's group has read everything that was on the bus at the call: until the oldest event
 * it has not read is younger than the call itself. Throws `unavailable` when that takes longer than the
 * patience given.
 */
export async function caughtUp(
  bus: Pick<EventBus, "lag">,
  patienceSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    const elapsedSeconds = (performance.now() - startedAt) / 1_000;
    const lag = await bus.lag("ledger");
    if (lag.events === 0 || lag.seconds + marginSeconds < elapsedSeconds) return;
    if (elapsedSeconds > patienceSeconds || signal.aborted) {
      throw unavailable("The ledger, which has not caught up with the event bus,", 5);
    }
    await pause(pollMs, signal);
  }
}
