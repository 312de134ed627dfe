import type { Redis } from "ioredis";
import { pause } from "../../concurrency/retry.ts";
import { Wakeup } from "../../concurrency/wakeup.ts";
import type { RawEntry } from "../entry.ts";
import type { StreamKeys } from "../keys.ts";
import type { FetchRequest } from "./fetch.ts";

/** Shorter than the silence after which the connection is taken for lost. */
const blockMs = 4_000;

interface Waiting {
  readonly request: FetchRequest;
  readonly resolve: (entries: readonly RawEntry[]) => void;
}

/**
 * Waits for new entries in all partitions of a group that have none, by one blocking XREAD on a connection of
 * its own: a group that has nothing to do costs Redis one command in four seconds.
 */
export class ArrivalWatch {
  readonly #redis: Redis;
  readonly #blocking: Redis;
  readonly #keys: StreamKeys;
  readonly #maxBatch: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #wakeup = new Wakeup();
  #clientId: number | null = null;
  /** Counts the calls; the one under way while `#isBlocked`. */
  #calls = 0;
  #isBlocked = false;
  #interrupted = 0;
  #isClosed = false;

  constructor(redis: Redis, keys: StreamKeys, maxBatch: number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#maxBatch = maxBatch;
    this.#blocking = redis.duplicate();
    // The connection that was duplicated tells of the outage.
    this.#blocking.on("error", () => {});
    this.#blocking.on("close", () => {
      this.#clientId = null;
    });
    void this.#run();
  }

  /** The partition's first entries after those read; none after a few seconds. */
  wait(request: FetchRequest): Promise<readonly RawEntry[]> {
    return new Promise((resolve) => {
      const { partition, signal } = request;
      const end = () => this.#settle(partition, []);
      const waiting: Waiting = {
        request,
        resolve: (entries) => {
          signal.removeEventListener("abort", end);
          resolve(entries);
        },
      };
      this.#settle(partition, []);
      this.#waiting.set(partition, waiting);
      signal.addEventListener("abort", end, { once: true });
      this.#wakeup.give();
      void this.#interrupt();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#wakeup.give();
    for (const partition of [...this.#waiting.keys()]) this.#settle(partition, []);
    this.#blocking.disconnect();
  }

  #settle(partition: number, entries: readonly RawEntry[]): void {
    const waiting = this.#waiting.get(partition);
    this.#waiting.delete(partition);
    waiting?.resolve(entries);
  }

  /**
   * Ends the blocked call, so that the next one waits for the newcomer too. Redis may hear of this before it
   * has heard of the call, which comes by another connection: then there was nothing to end yet.
   */
  async #interrupt(): Promise<void> {
    const call = this.#calls;
    if (this.#interrupted === call) return;
    this.#interrupted = call;
    while (this.#isBlocked && this.#calls === call && this.#clientId !== null) {
      const ended = await this.#redis.client("UNBLOCK", this.#clientId).catch(() => 1);
      if (ended === 1) return;
      await pause(2);
    }
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const given = this.#wakeup.take();
      if (this.#waiting.size === 0) {
        await given.given(blockMs);
        continue;
      }
      try {
        this.#clientId ??= await this.#blocking.client("ID");
        await this.#block();
      } catch {
        // Redis is away: readers that ask meanwhile learn it from their own call.
        for (const partition of [...this.#waiting.keys()]) this.#settle(partition, []);
        await pause(200);
      }
    }
  }

  async #block(): Promise<void> {
    const asked = [...this.#waiting.values()].map((waiting) => waiting.request);
    const startedAt = performance.now();
    this.#calls += 1;
    this.#isBlocked = true;
    const reply = await this.#blocking.xread(
      ...(["COUNT", Math.min(this.#maxBatch, 100), "BLOCK", blockMs, "STREAMS"] as const),
      ...asked.map((request) => this.#keys.events(request.partition)),
      ...asked.map((request) => request.after),
    );
    this.#isBlocked = false;
    const isOver = performance.now() - startedAt >= blockMs - 100;
    // ioredis answers XREAD as a list of pairs in the protocol's version 2, which it speaks.
    const read = new Map((reply as [stream: string, entries: RawEntry[]][] | null) ?? []);
    for (const request of asked) {
      if (this.#waiting.get(request.partition)?.request !== request) continue;
      const entries = (read.get(this.#keys.events(request.partition)) ?? []).slice(0, request.count);
      if (entries.length > 0 || isOver) this.#settle(request.partition, entries);
    }
  }
}
