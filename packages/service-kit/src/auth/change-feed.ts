import { pause } from "../concurrency/retry.ts";
import type { KeyCache } from "./key-cache.ts";
import type { FeedView } from "./key-entries.ts";

export interface ChangeFeedOptions {
  readonly cache: Pick<KeyCache, "poll">;
  readonly onChange: (subject: string, number: number, now: number) => void;
  readonly everyMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/**
 * Follows the numbered changes of keys and tenants in the cache Redis. Freshness is reckoned from before the
 * question was sent and by Redis's own clock, so that neither a paused process nor a wrong clock makes old
 * news look new.
 */
export class ChangeFeed implements FeedView {
  readonly #options: ChangeFeedOptions;
  readonly #now: () => number;
  readonly #stop = new AbortController();
  #seen = -1;
  #run = 0;
  #provenAt = Number.NEGATIVE_INFINITY;
  #following: Promise<void> | undefined;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get run(): number {
    return this.#run;
  }

  get provenAt(): number {
    return this.#provenAt;
  }

  /** The number of the latest change known here; -1 before the first. */
  get seen(): number {
    return this.#seen;
  }

  start(): void {
    this.#following ??= this.#follow(this.#stop.signal);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  /** Asks once for what is new. Throws when Redis is away. */
  async poll(): Promise<void> {
    const askedAt = this.#now();
    const { nowMs, number, atMs, changes } = await this.#options.cache.poll(this.#seen);
    if (number < 0) return;
    const isComplete =
      number >= this.#seen &&
      changes.length === number - this.#seen &&
      changes.every((change, index) => change.number === this.#seen + 1 + index);
    if (isComplete && this.#seen >= 0) {
      for (const change of changes) this.#options.onChange(change.subject, change.number, askedAt);
    } else {
      // What was missed may concern any key: nothing loaded before is vouched for any more.
      this.#run += 1;
      this.#provenAt = Number.NEGATIVE_INFINITY;
    }
    this.#seen = number;
    const ageMs = nowMs - atMs;
    if (atMs >= 0 && ageMs >= 0) this.#provenAt = Math.max(this.#provenAt, askedAt - ageMs);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // With Redis away nothing is proven any longer, and that alone is the signal to those who ask.
      await this.poll().catch(() => {});
      await pause(this.#options.everyMs ?? 100, signal);
    }
  }
}
