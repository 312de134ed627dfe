import { type Backoff, backoffMs } from "@payflow/service-kit/concurrency/retry.ts";
import { DelayedKeys } from "./delayed-keys.ts";
import type { QueueMetrics } from "./queue-metrics.ts";

export interface WorkQueueOptions {
  readonly metrics: QueueMetrics;
  /** Milliseconds of a clock that is never set back. */
  readonly now?: () => number;
  /** Between the tries of one key; controller-runtime's 5 ms to 1,000 s when left out. */
  readonly backoff?: Backoff;
  /** For the retries of all keys together, so that an outage does not make every key ask at once. */
  readonly retriesPerSecond?: number;
  readonly burst?: number;
}

/**
 * Keys that have to be looked at. A key waits once however often it is added, and is never under way twice:
 * what is added meanwhile waits for `done`. Namespaces take turns, so that one with ten thousand objects
 * keeps no other's waiting. Time passes only by the clock given, and nothing in here sets a timer; `waitMs`
 * says when to ask again.
 */
export class WorkQueue {
  readonly #metrics: QueueMetrics;
  readonly #now: () => number;
  readonly #backoff: Backoff;
  readonly #retryGapMs: number;
  readonly #burst: number;
  /** By namespace, whose turns come in order; in each by order of coming, with the time of it. */
  readonly #ready = new Map<string, Map<string, number>>();
  #readyCount = 0;
  readonly #underWay = new Map<string, number>();
  readonly #again = new Set<string>();
  readonly #delayed = new DelayedKeys();
  readonly #failures = new Map<string, number>();
  /** When the next retry would be let through had none come for long (a leaky bucket as one time). */
  #nextRetryAt = Number.NEGATIVE_INFINITY;

  constructor(options: WorkQueueOptions) {
    this.#metrics = options.metrics;
    this.#now = options.now ?? (() => performance.now());
    this.#backoff = options.backoff ?? { firstMs: 5, maxMs: 1_000_000 };
    this.#retryGapMs = 1_000 / (options.retriesPerSecond ?? 10);
    this.#burst = options.burst ?? 100;
  }

  add(key: string): void {
    this.#delayed.remove(key);
    if (this.#isReady(key) || this.#again.has(key)) return;
    this.#metrics.added();
    if (this.#underWay.has(key)) this.#again.add(key);
    else this.#line(key);
  }

  /** Adds it after a while, unless it is added sooner. */
  addAfter(key: string, delayMs: number): void {
    if (delayMs <= 0) this.add(key);
    else if (!this.#isReady(key) && !this.#again.has(key)) this.#delayed.add(key, this.#now() + delayMs);
  }

  /**
   * Adds it after its own back-off, or later where that was asked for or all retries together come too fast;
   * how long, in ms.
   */
  retry(key: string, leastMs = 0): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#metrics.retried();
    const delayMs = Math.max(leastMs, backoffMs(this.#backoff, failures), this.#reserveRetry());
    this.addAfter(key, delayMs);
    return delayMs;
  }

  /** It went well: its next failure is its first. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key to look at, which then is under way until `done`; undefined while there is none. */
  take(): string | undefined {
    this.#wakeDelayed();
    for (const [namespace, keys] of this.#ready) {
      for (const [key, since] of keys) {
        keys.delete(key);
        // Its next turn comes after everybody else's.
        this.#ready.delete(namespace);
        if (keys.size > 0) this.#ready.set(namespace, keys);
        this.#underWay.set(key, this.#now());
        this.#metrics.depth(--this.#readyCount);
        this.#metrics.started(key, (this.#now() - since) / 1_000);
        return key;
      }
    }
    return undefined;
  }

  done(key: string): void {
    const since = this.#underWay.get(key);
    if (since === undefined) return;
    this.#underWay.delete(key);
    this.#metrics.finished(key, (this.#now() - since) / 1_000);
    if (this.#again.delete(key)) this.#line(key);
  }

  /** Milliseconds until there may be something to take; undefined while nothing waits at all. */
  waitMs(): number | undefined {
    if (this.#readyCount > 0) return 0;
    const at = this.#delayed.nextAt();
    return at === undefined ? undefined : Math.max(0, at - this.#now());
  }

  #isReady(key: string): boolean {
    return this.#ready.get(namespaceOf(key))?.has(key) === true;
  }

  #line(key: string): void {
    const namespace = namespaceOf(key);
    const keys = this.#ready.get(namespace) ?? new Map<string, number>();
    this.#ready.set(namespace, keys.set(key, this.#now()));
    this.#metrics.depth(++this.#readyCount);
  }

  #wakeDelayed(): void {
    for (
      let key = this.#delayed.take(this.#now());
      key !== undefined;
      key = this.#delayed.take(this.#now())
    ) {
      this.add(key);
    }
  }

  #reserveRetry(): number {
    const now = this.#now();
    const earliest = now - this.#burst * this.#retryGapMs;
    this.#nextRetryAt = Math.max(this.#nextRetryAt, earliest) + this.#retryGapMs;
    return Math.max(0, this.#nextRetryAt - now);
  }
}

/** What stands before the name; nothing for objects of the cluster. */
function namespaceOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf("/")));
}
