import { type Backoff, backoffMs } from "@payflow/service-kit/concurrency/retry.ts";
import { DelayedKeys } from "./delayed-keys.ts";
import { Lines } from "./lines.ts";
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
 * what is added meanwhile waits for `done`. Namespaces take turns, also at the retries that are let through.
 * Time passes only by the clock given, and nothing in here sets a timer; `waitMs` says when to ask again.
 */
export class WorkQueue {
  readonly #metrics: QueueMetrics;
  readonly #now: () => number;
  readonly #backoff: Backoff;
  readonly #retryGapMs: number;
  readonly #burst: number;
  readonly #ready = new Lines();
  readonly #underWay = new Map<string, number>();
  readonly #again = new Set<string>();
  readonly #delayed = new DelayedKeys();
  readonly #failures = new Map<string, number>();
  /** How often in a row a key was looked at for the same thing that it waits for. */
  readonly #waits = new Map<string, { readonly reason: string; readonly count: number }>();
  /** Of the delayed keys those that are tried again. */
  readonly #retried = new Set<string>();
  /** Retries whose own delay is over, and which wait for the rate of all. */
  readonly #held = new Lines();
  /** When the next retry is let through had none come for long (a leaky bucket as one time). */
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
    this.#retried.delete(key);
    this.#held.remove(key);
    if (this.#isComing(key)) return;
    this.#metrics.added();
    if (this.#underWay.has(key)) this.#again.add(key);
    else this.#line(key);
  }

  /** Adds it after a while, unless it is added sooner. */
  addAfter(key: string, delayMs: number): void {
    if (delayMs <= 0) this.add(key);
    else if (!this.#isComing(key)) this.#delayed.add(key, this.#now() + delayMs);
  }

  /**
   * Adds it after its own back-off, or later where that was asked for; then it waits for its namespace's turn
   * among all retries that are due. Returns its own delay, in ms.
   */
  retry(key: string, leastMs = 0): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#metrics.retried();
    const delayMs = Math.max(leastMs, backoffMs(this.#backoff, failures));
    if (!this.#isComing(key)) {
      this.#retried.add(key);
      this.#delayed.add(key, this.#now() + delayMs);
    }
    return delayMs;
  }

  /** Adds it after a while that grows as long as it waits for the same in a row; how long, in ms. */
  wait(key: string, reason: string, backoff: Backoff): number {
    const known = this.#waits.get(key);
    const count = known?.reason === reason ? known.count + 1 : 1;
    this.#waits.set(key, { reason, count });
    const delayMs = backoffMs(backoff, count);
    this.addAfter(key, delayMs);
    return delayMs;
  }

  /** It went well: its next failure is its first. */
  forgetFailures(key: string): void {
    this.#failures.delete(key);
  }

  /** It waits for nothing: whatever it waits for next is new. */
  forgetWait(key: string): void {
    this.#waits.delete(key);
  }

  /** The next key to look at, which then is under way until `done`; undefined while there is none. */
  take(): string | undefined {
    this.#wakeDelayed();
    this.#releaseHeld();
    const next = this.#ready.take();
    if (next === undefined) return undefined;
    this.#underWay.set(next.key, this.#now());
    this.#metrics.depth(this.#ready.size);
    this.#metrics.started(next.key, (this.#now() - next.since) / 1_000);
    return next.key;
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
    if (this.#ready.size > 0) return 0;
    const times = [this.#delayed.nextAt(), this.#held.size > 0 ? this.#nextRetryAt : undefined];
    const known = times.filter((time) => time !== undefined);
    return known.length === 0 ? undefined : Math.max(0, Math.min(...known) - this.#now());
  }

  /** Whether it comes up without being added once more. */
  #isComing(key: string): boolean {
    return this.#ready.has(key) || this.#again.has(key);
  }

  #line(key: string): void {
    this.#ready.add(key, this.#now());
    this.#metrics.depth(this.#ready.size);
  }

  #wakeDelayed(): void {
    const now = this.#now();
    for (let key = this.#delayed.take(now); key !== undefined; key = this.#delayed.take(now)) {
      if (this.#retried.delete(key)) this.#held.add(key, now);
      else this.add(key);
    }
  }

  #releaseHeld(): void {
    const now = this.#now();
    this.#nextRetryAt = Math.max(this.#nextRetryAt, now - (this.#burst - 1) * this.#retryGapMs);
    while (this.#nextRetryAt <= now) {
      const next = this.#held.take();
      if (next === undefined) return;
      this.#nextRetryAt += this.#retryGapMs;
      this.add(next.key);
    }
  }
}
