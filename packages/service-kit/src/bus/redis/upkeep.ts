import type { Topic } from "@payflow/contracts/events.ts";
import { pause } from "../../concurrency/retry.ts";
import { isRedisOutage } from "../../store/redis.ts";
import type { Logger } from "../../telemetry/logging.ts";
import { deadLetterDays } from "../bus.ts";
import type { BusMetrics } from "../bus-metrics.ts";
import type { Keys } from "./keys.ts";
import { readLag } from "./lag.ts";
import type { Link } from "./link.ts";

interface UpkeepOptions {
  readonly link: Link;
  readonly keys: Keys;
  readonly groups: ReadonlyMap<Topic, readonly string[]>;
  readonly logger: Logger;
  readonly metrics: BusMetrics;
}

const dayMs = 24 * 3_600_000;
/** Entries of a topic that no installed app reads are kept this long. */
const unreadMs = 3_600_000;
/** Entries one call removes from a stream at most, so that Redis is never held up. */
const trimStep = 5_000;

const measureEveryMs = 1_000;
const trimEveryMs = 5_000;
const lagEveryMs = 5_000;

/** What every process does for the bus beside its own work: memory, trimming and lag figures. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #stopping = new AbortController();
  readonly #watched = new Set<string>();
  #loops: Promise<unknown> = Promise.resolve();

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loops = Promise.all([
      this.#every(measureEveryMs, () => this.#measure()),
      this.#every(trimEveryMs, () => this.#trim()),
      this.#every(lagEveryMs, () => this.#observeLag()),
    ]);
  }

  /** Keeps the lag figures of a group. */
  watch(group: string): void {
    this.#watched.add(group);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
  }

  async #every(periodMs: number, run: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await run();
      } catch (error) {
        if (!isRedisOutage(error)) this.#options.logger.error({ err: error }, "the bus's upkeep failed");
      }
      await pause(periodMs, signal);
    }
  }

  async #measure(): Promise<void> {
    const { link, metrics } = this.#options;
    metrics.storageShare.set(await link.measure());
    // Trimming is what brings the memory down again, so it does not wait for its turn.
    if (link.isFull) await this.#trim();
  }

  async #trim(): Promise<void> {
    const { link, keys, groups } = this.#options;
    for (const [topic, declared] of groups) {
      const streams = keys.streams(topic);
      for (let removed = 1; removed > 0 && !this.#stopping.signal.aborted; ) {
        removed = await link.writer.busTrim(
          1 + streams.length,
          keys.deadLetters(topic),
          ...streams,
          ...[trimStep, deadLetterDays * dayMs, unreadMs, ...declared],
        );
      }
    }
  }

  async #observeLag(): Promise<void> {
    const { link, keys, metrics } = this.#options;
    for (const group of this.#watched) {
      const lag = await readLag(link.writer, keys, group);
      for (const { topic, events, seconds } of lag.topics) {
        metrics.lagEvents.set({ group, topic }, events);
        metrics.lagSeconds.set({ group, topic }, seconds);
      }
    }
  }
}
