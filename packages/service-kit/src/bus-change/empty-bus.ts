import type { EventBus } from "../bus/bus.ts";
import { isTransient } from "../store/database.ts";
import type { BusRecords } from "./bus-records.ts";

export interface EmptyBus {
  readonly records: Pick<BusRecords, "sending">;
  /** The old one. */
  readonly bus: Pick<EventBus, "lag">;
  /** Every group that reads it. */
  readonly groups: readonly string[];
  readonly deadlineMs: number;
  /** Ends the waiting early. */
  readonly isGivenUp?: () => boolean;
  /** Between two looks. */
  readonly everyMs?: number;
}

/**
 * Waits until no relay sends any more and every group has acknowledged all there is. Answers with what is
 * left at the deadline, one phrase each; nothing when the bus is empty.
 */
export async function whatIsLeft({ everyMs = 200, ...change }: EmptyBus): Promise<string[]> {
  const deadline = performance.now() + change.deadlineMs;
  for (;;) {
    const left = await look(change);
    const isOver = performance.now() >= deadline || change.isGivenUp?.() === true;
    if (left.length === 0 || isOver) return left;
    await Bun.sleep(Math.min(everyMs, Math.max(deadline - performance.now(), 0)));
  }
}

async function look({
  records,
  bus,
  groups,
}: Pick<EmptyBus, "records" | "bus" | "groups">): Promise<string[]> {
  // The relays first: what one has sent in the meantime is then seen as lag.
  const sending = await records.sending();
  if (sending.length > 0) return sending.map((name) => `the relay of ${name} is still sending`);
  try {
    const lags = await Promise.all(groups.map((group) => bus.lag(group)));
    return lags
      .filter(({ events }) => events > 0)
      .map(
        ({ group, events, seconds }) =>
          `the group ${group} has ${events} events to go, the oldest ${Math.round(seconds)} s old`,
      );
  } catch (error) {
    if (!isTransient(error)) throw error;
    return [`the bus does not answer: ${error instanceof Error ? error.message : error}`];
  }
}
