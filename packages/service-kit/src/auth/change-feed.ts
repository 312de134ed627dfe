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

/** Where no key was looked up for so long, the feed rests: it asks only so often until the next look-up. */
const restsAfterMs = 5_000;
const restMs = 1_000;

/** The pause between two questions of a feed at rest. */
interface Rest {
  /** Ends the pause. */
  readonly alarm: AbortController;
  /** Resolves once the question after it was answered, or failed. */
  readonly over: PromiseWithResolvers<void>;
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
  #usedAt: number;
  #rest: Rest | null = null;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#usedAt = this.#now();
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

  /** Whether it asks less often, since nobody looks up a key. */
  get isAtRest(): boolean {
    return this.#rest !== null;
  }

  /** A key is looked up at this moment: a rest ends, and there is none for a while. */
  noteUse(now: number): void {
    this.#usedAt = now;
    this.#rest?.alarm.abort();
  }

  /** Resolves once a rest that is being ended is over: Redis has told what is new, or failed to. */
  async settle(): Promise<void> {
    await this.#rest?.over.promise;
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
      const isAnswered = await this.poll().then(
        () => true,
        () => false,
      );
      this.#rest?.over.resolve();
      this.#rest = null;
      // No look-up is to wait for a Redis that is known to be away.
      if (!isAnswered || this.#now() - this.#usedAt <= restsAfterMs) {
        await pause(this.#options.everyMs ?? 100, signal);
      } else {
        this.#rest = { alarm: new AbortController(), over: Promise.withResolvers() };
        await pause(restMs, AbortSignal.any([signal, this.#rest.alarm.signal]));
      }
    }
    this.#rest?.over.resolve();
  }
}
