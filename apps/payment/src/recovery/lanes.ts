import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";

/** One kind of due work: how it is taken up under leases, and what is done with each piece. */
export interface Lane<Item> {
  readonly name: string;
  /** Pieces under way at once in this process. */
  readonly capacity: number;
  readonly take: (limit: number) => Promise<readonly Item[]>;
  readonly handle: (item: Item) => Promise<void>;
}

export interface Lanes {
  /** Looks for work every `pollMs` and when woken. */
  start(): void;
  /** Takes up no more, waits for what is under way. */
  stop(): Promise<void>;
  wake(): void;
  /** Takes up what is due now and waits for it; how many pieces that were. For tests and for a last look. */
  runOnce(): Promise<number>;
}

// Lanes hold work of different kinds side by side; what one took, only the same one handles.
// biome-ignore lint/suspicious/noExplicitAny: a list cannot name the kind of each of its members.
type AnyLane = Lane<any>;

/**
 * Works off lanes of due work. A piece that hangs holds up nothing but its own place; a piece that fails is
 * logged and becomes due again when its lease is over.
 */
export function createLanes(lanes: readonly AnyLane[], pollMs: number, logger: Logger): Lanes {
  const underWay = new Map<AnyLane, Set<Promise<void>>>(lanes.map((lane) => [lane, new Set()]));
  const stopping = new AbortController();
  let alarm = new AbortController();
  let running: Promise<void> | undefined;
  let isAway = false;

  async function fill(lane: AnyLane, places: Set<Promise<void>>): Promise<number> {
    const free = lane.capacity - places.size;
    if (free <= 0) return 0;
    const items = await lane.take(free);
    for (const item of items) {
      const work: Promise<void> = lane
        .handle(item)
        .catch((error: unknown) =>
          logger.error({ err: error, lane: lane.name }, "recovery of a piece failed"),
        )
        .finally(() => {
          places.delete(work);
          // More is taken up once half the places are free: a claim for each single piece would cost more.
          if (items.length === free && places.size * 2 <= lane.capacity) alarm.abort();
        });
      places.add(work);
    }
    return items.length;
  }

  async function fillAll(): Promise<number> {
    const taken = await Promise.all([...underWay].map(([lane, places]) => fill(lane, places)));
    return taken.reduce((sum, count) => sum + count, 0);
  }

  async function settle(): Promise<void> {
    await Promise.all([...underWay.values()].flatMap((places) => [...places]));
  }

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      alarm = new AbortController();
      try {
        await fillAll();
        isAway = false;
      } catch (error) {
        if (!isAway) logger.warn({ err: error }, "recovery cannot look for work; it keeps trying");
        isAway = true;
      }
      await pause(pollMs, AbortSignal.any([alarm.signal, stopping.signal]));
    }
    await settle();
  }

  return {
    start() {
      running ??= loop();
    },
    async stop() {
      stopping.abort();
      await running;
    },
    wake: () => alarm.abort(),
    async runOnce() {
      const taken = await fillAll();
      await settle();
      return taken;
    },
  };
}
