import { LeaseLost } from "../../concurrency/finish-batch.ts";
import { backoffMs, pause } from "../../concurrency/retry.ts";
import { Wakeup } from "../../concurrency/wakeup.ts";
import { isRedisOutage } from "../../store/redis.ts";
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

/** Entries that other programs took from the group's stream and left for so long are taken over. */
const idleMs = 30_000;

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
        // An outage is nothing of the consumer's, and one that served for long had no lasting trouble.
        const isNew = isRedisOutage(error) || performance.now() - startedAt > 30_000;
        failed = isNew ? 1 : failed + 1;
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
    const claimed = new Set<string>();
    const held = new RedisPartition({
      ...this.#options,
      window,
      claimed,
      // Only `recordFailure` writes the hash.
      known: new Map(Object.entries(failures).map(([id, text]) => [id, JSON.parse(text) as EntryFailure])),
      signal: this.#stopping.signal,
      onProgress: () => this.#progress.give(),
      onLost: () => this.end("lost"),
    });
    return { held, window, claimed };
  }

  async #feed(consumer: PartitionConsumer, resumed: Resumed): Promise<void> {
    const { held, window } = resumed;
    const { maxBatch, maxPending, lingerMs } = this.#options;
    const ticks = new Ticks(consumer, this.#options.tickMs);
    for (let claimAt = 0; !this.isEnding; ) {
      const startedAt = performance.now();
      if (startedAt >= claimAt) {
        claimAt = startedAt + idleMs;
        await this.#takeOver(consumer, resumed);
      }
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

  /** Gives the consumer what nobody else will finish. It is older than what comes next, but may be late. */
  async #takeOver(consumer: PartitionConsumer, { held, claimed }: Resumed): Promise<void> {
    const { redis, keys, group, number, member, fence, maxBatch } = this.#options;
    while (!this.isEnding && claimed.size === 0) {
      const raw = await this.#whileRedisIsThere(() =>
        redis.streamsClaim(
          ...([2, keys.lease(number, group), keys.events(number)] as const),
          ...[member, fence, group, "reader", idleMs, maxBatch],
        ),
      );
      if (raw.length === 0) return;
      for (const [id] of raw) claimed.add(id);
      const entries = raw.map((one) => ({ entry: toStreamEntry(number, one), isMine: isFor(group, one) }));
      const mine = entries.filter((one) => one.isMine).map((one) => one.entry);
      if (mine.length > 0) await consumer.take(mine);
      const others = entries.filter((one) => !one.isMine).map((one) => one.entry);
      if (others.length > 0) await held.step("", [], [], { entries: others, isExported: false });
    }
  }

  async #read(after: string, count: number): Promise<readonly RawEntry[]> {
    const { fetch, number } = this.#options;
    const { signal } = this.#stopping;
    return this.#whileRedisIsThere(() => fetch.read({ partition: number, after, count, signal }));
  }

  /** What the consumer holds is as good as before while Redis is away: it waits, and is not opened anew. */
  async #whileRedisIsThere(read: () => Promise<readonly RawEntry[]>): Promise<readonly RawEntry[]> {
    try {
      return await read();
    } catch (error) {
      if (!isRedisOutage(error)) throw error;
      await pause(200, this.#stopping.signal);
      return [];
    }
  }

  #admit(window: Window, raw: readonly RawEntry[]): StreamEntry[] {
    const { group, number } = this.#options;
    const entries: StreamEntry[] = [];
    for (const one of raw) {
      if (window.admit(one[0], !isFor(group, one))) entries.push(toStreamEntry(number, one));
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

/** Whether an entry is for a group: a redriven one is for the one that failed it alone. */
function isFor(group: string, entry: RawEntry): boolean {
  const target = targetOf(entry);
  return target === undefined || target === group;
}

interface Resumed {
  readonly held: RedisPartition;
  readonly window: Window;
  readonly claimed: Set<string>;
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
