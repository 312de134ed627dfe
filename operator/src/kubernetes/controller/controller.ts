import { Wakeup } from "@payflow/service-kit/concurrency/wakeup.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { isConflict } from "../client/api-error.ts";
import type { WorkQueue } from "../queue/work-queue.ts";
import { controllerMetrics, type PassResult } from "./controller-metrics.ts";
import { FailureLog } from "./failure-log.ts";
import { type Applied, FinalError, type Next, type Pass, type Reconciler, RetryLater } from "./reconciler.ts";

export interface ControllerOptions<Observed, Plan, Outcome> {
  readonly name: string;
  readonly reconciler: Reconciler<Observed, Plan, Outcome>;
  readonly queue: WorkQueue;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Passes under way at once, each over another object. */
  readonly maxConcurrent: number;
  /** From the end of a pass to the next over the same object, a tenth more or less; then drift is found. */
  readonly resyncMs: number;
  /** For one pass; 60 s when left out. */
  readonly passMs?: number;
}

/** How a pass ended, and what it asked for. */
interface Ended {
  readonly next: Next;
  /** Why applying failed. */
  readonly error?: unknown;
}

/** Puts keys to be looked at, and runs the passes. */
export class Controller<Observed, Plan, Outcome> {
  readonly #options: ControllerOptions<Observed, Plan, Outcome>;
  readonly #metrics: ReturnType<typeof controllerMetrics>;
  readonly #failures: FailureLog;
  readonly #bell = new Wakeup();
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: ControllerOptions<Observed, Plan, Outcome>) {
    this.#options = options;
    this.#metrics = controllerMetrics(options.metrics, options.name, options.maxConcurrent);
    this.#failures = new FailureLog(options.logger.child({ controller: options.name }));
  }

  /** Asks for a pass over the object of this key, from any thread of work; soon, and once. */
  enqueue(key: string): void {
    this.#options.queue.add(key);
    this.#bell.give();
  }

  /** Runs passes until the signal is given, and resolves when the last has ended. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { queue, maxConcurrent } = this.#options;
    const wake = () => this.#bell.give();
    signal.addEventListener("abort", wake, { once: true });
    while (!signal.aborted) {
      const bell = this.#bell.take();
      this.#fill(signal);
      const isFull = this.#underWay.size >= maxConcurrent;
      const waitMs = isFull ? undefined : queue.waitMs();
      // Timers hold 31 bits; whatever is due later is found by looking once more.
      await bell.given(Math.min(waitMs ?? 60_000, 60_000));
    }
    signal.removeEventListener("abort", wake);
    await Promise.all(this.#underWay);
  }

  #fill(signal: AbortSignal): void {
    while (this.#underWay.size < this.#options.maxConcurrent) {
      const key = this.#options.queue.take();
      if (key === undefined) return;
      const pass = this.#pass(key, signal).finally(() => {
        this.#underWay.delete(pass);
        this.#options.queue.done(key);
        this.#bell.give();
      });
      this.#underWay.add(pass);
    }
  }

  async #pass(key: string, stopped: AbortSignal): Promise<void> {
    const { passMs = 60_000 } = this.#options;
    const startedAt = performance.now();
    this.#metrics.began();
    let result: PassResult = "requeue";
    try {
      const signal = AbortSignal.any([stopped, AbortSignal.timeout(passMs)]);
      const ended = await this.#reconcile({ key, signal });
      if (ended === "gone") result = this.#leave(key);
      else if (ended.error !== undefined) result = this.#fail(key, ended.error, ended.next);
      else result = this.#plan(key, ended.next);
    } catch (error) {
      // A term that has ended is no failure: the next leader begins with every key.
      if (stopped.aborted) return;
      result = this.#fail(key, error, {});
    } finally {
      this.#metrics.ended(result, (performance.now() - startedAt) / 1_000);
    }
  }

  async #reconcile(pass: Pass): Promise<Ended | "gone"> {
    const { reconciler } = this.#options;
    const observed = await reconciler.observe(pass);
    if (observed === undefined) return "gone";
    let applied: Applied<Outcome>;
    try {
      applied = {
        isDone: true,
        outcome: await reconciler.apply(reconciler.decide(observed), observed, pass),
      };
    } catch (error) {
      if (pass.signal.aborted || isConflict(error)) throw error;
      applied = { isDone: false, error };
    }
    const next = (await reconciler.report(applied, observed, pass)) ?? {};
    return applied.isDone ? { next } : { next, error: applied.error };
  }

  #leave(key: string): PassResult {
    const { queue } = this.#options;
    queue.forgetFailures(key);
    queue.forgetWait(key);
    this.#failures.forget(key);
    return "success";
  }

  #plan(key: string, next: Next): PassResult {
    this.#options.queue.forgetFailures(key);
    this.#failures.wentWell(key);
    return this.#comeBack(key, next);
  }

  #fail(key: string, error: unknown, next: Next): PassResult {
    const { queue } = this.#options;
    // Somebody was faster; what they wrote is looked at anew, and nothing went wrong.
    if (isConflict(error)) {
      queue.retry(key);
      return "requeue";
    }
    const isFinal = error instanceof FinalError;
    this.#metrics.failed(isFinal);
    this.#failures.failed(key, error);
    if (isFinal) {
      queue.forgetFailures(key);
      this.#comeBack(key, next);
    } else queue.retry(key, error instanceof RetryLater ? error.afterMs : 0);
    return "error";
  }

  /** Has it looked at again when the pass asked for that, and once in the resync period at least. */
  #comeBack(key: string, { afterMs, waiting }: Next): PassResult {
    const { queue, resyncMs } = this.#options;
    if (waiting === undefined) queue.forgetWait(key);
    else queue.wait(key, waiting.reason, waiting.backoff);
    const spread = resyncMs * (0.9 + 0.2 * Math.random());
    queue.addAfter(key, Math.min(afterMs ?? spread, spread));
    return afterMs === undefined && waiting === undefined ? "success" : "requeue_after";
  }
}
