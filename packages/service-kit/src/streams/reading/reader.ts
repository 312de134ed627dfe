import { isRedisOutage } from "../../store/redis.ts";
import { LeaseLost } from "../../work/finish-batch.ts";
import { backoffMs, pause } from "../../work/retry.ts";
import { Wakeup } from "../../work/wakeup.ts";
import type { CloseReason, EntryFailure, HeldPartition, PartitionConsumer } from "../consumer.ts";
import { type RawEntry, type StreamEntry, targetOf, toStreamEntry } from "../entry.ts";
import type { Fetch } from "./fetch.ts";
import { type HeldOptions, RedisPartition } from "./held.ts";
import { Window } from "./window.ts";

export interface ReaderOptions extends HeldOptions {
  readonly fetch: Fetch;
  readonly maxBatch: number;
  readonly maxPending: number;
  readonly lingerMs: number;
  readonly tickMs: number;
  readonly open: (partition: HeldPartition) => PartitionConsumer;
  readonly nextStep: () => number;
}

const failedBackoff = { firstMs: 200, maxMs: 5_000 };

/**
 * Reads one partition for as long as its lease is held: gives the entries to a consumer, and when that fails
 * to a new one, from the stored position.
 */
export class PartitionReader {
  /** Resolves when the consumer is closed and nothing is under way any more. */
  readonly ended: Promise<void>;
  readonly fence: number;
  readonly #options: ReaderOptions;
  readonly #stopping = new AbortController();
  readonly #progress = new Wakeup();
  #reason: CloseReason = "stopping";

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.fence = options.fence;
    this.ended = this.#run();
  }

  get isEnding(): boolean {
    return this.#stopping.signal.aborted;
  }

  get isLost(): boolean {
    return this.#reason === "lost";
  }

  /** Finishes what is under way and closes the consumer; with "lost" nothing more can be stored. */
  end(reason: CloseReason): void {
    if (reason === "lost") this.#reason = "lost";
    this.#stopping.abort();
    this.#progress.give();
  }

  async #run(): Promise<void> {
    for (let failed = 0; !this.isEnding; ) {
      const startedAt = performance.now();
      try {
        await this.#serve();
      } catch (error) {
        if (error instanceof LeaseLost) return this.end("lost");
        this.#report(error);
        // One that served for long had no lasting trouble.
        failed = performance.now() - startedAt > 30_000 ? 1 : failed + 1;
        await pause(backoffMs(failedBackoff, failed), this.#stopping.signal);
      }
    }
  }

  /** Opens a consumer and gives it entries until it throws or the reader is to end. */
  async #serve(): Promise<void> {
    const partition = await this.#resume();
    const consumer = this.#options.open(partition.held);
    let reason: CloseReason = "lost";
    try {
      await this.#feed(consumer, partition);
      reason = this.#reason;
    } finally {
      await consumer.close(reason);
    }
  }

  async #resume(): Promise<Resumed> {
    const { redis, keys, group, number } = this.#options;
    const [[position, entriesRead], ahead, failures] = await Promise.all([
      redis.streamsResume(1, keys.events(number), group),
      redis.hkeys(keys.ahead(number, group)),
      redis.hgetall(keys.failures(number, group)),
    ]);
    const window = new Window(
      { position, entriesRead: entriesRead < 0 ? null : entriesRead },
      ahead.filter((field) => field !== "step"),
    );
    const held = new RedisPartition({
      ...this.#options,
      window,
      // Only `recordFailure` writes the hash.
      known: new Map(Object.entries(failures).map(([id, text]) => [id, JSON.parse(text) as EntryFailure])),
      signal: this.#stopping.signal,
      onProgress: () => this.#progress.give(),
      onLost: () => this.end("lost"),
    });
    return { held, window };
  }

  async #feed(consumer: PartitionConsumer, { held, window }: Resumed): Promise<void> {
    const { maxBatch, maxPending, lingerMs } = this.#options;
    const ticks = new Ticks(consumer, this.#options.tickMs);
    while (!this.isEnding) {
      const startedAt = performance.now();
      const progress = this.#progress.take();
      const room = Math.min(maxBatch, maxPending - window.size);
      if (room <= 0) {
        await ticks.during(progress.given(ticks.idleMs));
        continue;
      }
      const raw = await ticks.during(this.#read(window.lastRead, room));
      if (this.isEnding) return;
      const entries = this.#admit(window, raw);
      if (entries.length > 0) await consumer.take(entries);
      if (entries.length < raw.length) await held.advance();
      const restMs = lingerMs - (performance.now() - startedAt);
      if (raw.length < maxBatch / 2 && restMs > 1) await ticks.during(pause(restMs, this.#stopping.signal));
    }
  }

  async #read(after: string, count: number): Promise<readonly RawEntry[]> {
    const { fetch, number } = this.#options;
    const { signal } = this.#stopping;
    try {
      return await fetch.read({ partition: number, after, count, signal });
    } catch (error) {
      if (!isRedisOutage(error)) throw error;
      // What the consumer holds is as good as before: it waits for Redis, and is not opened anew.
      await pause(200, signal);
      return [];
    }
  }

  #admit(window: Window, raw: readonly RawEntry[]): StreamEntry[] {
    const { group, number } = this.#options;
    const entries: StreamEntry[] = [];
    for (const one of raw) {
      const target = targetOf(one);
      if (window.admit(one[0], target !== undefined && target !== group)) {
        entries.push(toStreamEntry(number, one));
      }
    }
    return entries;
  }

  #report(error: unknown): void {
    const { group, number, logger } = this.#options;
    const about = { err: error, group, partition: number };
    if (isRedisOutage(error)) logger.debug(about, "a partition's reader waits for Redis");
    else logger.error(about, "a partition's consumer failed and is opened again");
  }
}

interface Resumed {
  readonly held: RedisPartition;
  readonly window: Window;
}

/** Calls a consumer's `tick` while something else is waited for, never beside another call. */
class Ticks {
  readonly #consumer: PartitionConsumer;
  readonly #everyMs: number;
  #dueAt: number;

  constructor(consumer: PartitionConsumer, everyMs: number) {
    this.#consumer = consumer;
    this.#everyMs = everyMs;
    this.#dueAt = performance.now() + everyMs;
  }

  /** How long may be waited for something that nobody announces. */
  get idleMs(): number {
    return this.#consumer.tick === undefined ? 5_000 : this.#everyMs;
  }

  async during<T>(waited: Promise<T>): Promise<T> {
    if (this.#consumer.tick === undefined) return waited;
    let isOver = false;
    const over = waited.then(
      () => {
        isOver = true;
      },
      () => {
        isOver = true;
      },
    );
    while (!isOver) {
      const waiting = new AbortController();
      await Promise.race([over, pause(Math.max(this.#dueAt - performance.now(), 0), waiting.signal)]);
      waiting.abort();
      if (performance.now() < this.#dueAt) continue;
      await this.#consumer.tick();
      this.#dueAt = performance.now() + this.#everyMs;
    }
    return waited;
  }
}
