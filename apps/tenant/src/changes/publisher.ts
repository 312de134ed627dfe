import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { ChangeLog } from "./change-log.store.ts";
import type { PublishedStore } from "./published-state.store.ts";

export interface PublisherOptions {
  readonly changeLog: Pick<ChangeLog, "after" | "prune">;
  readonly published: Pick<PublishedStore, "read" | "begin" | "append">;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly heartbeatMs: number;
}

const batchSize = 500;
/** Beyond this many tombstones a new epoch forgets them, together with all that they guard against. */
const maxTombstones = 20_000;
const pruneEveryMs = 60_000;

/**
 * Carries committed changes into the cache Redis, in the order of their numbers, and says up to which moment
 * that is all of them. Every replica runs one; none relies on the others, and the scripts keep them from
 * harming each other.
 */
export class ChangePublisher {
  readonly #options: PublisherOptions;
  readonly #stop = new AbortController();
  #epoch = "";
  #wake = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** The epoch Redis was last seen in; '' for none. Records read from now on may be cached under it. */
  get epoch(): string {
    return this.#epoch;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Publishes at once instead of at the next beat; called after a commit. */
  wake(): void {
    this.#wake.abort();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await this.#running;
  }

  /** Publishes one batch; whether there may be more. Throws when a store is away. */
  async publish(): Promise<boolean> {
    const { changeLog, published } = this.#options;
    // Redis's time is taken before the table is read: every change committed until then is in what is read.
    const state = await published.read();
    this.#epoch = state.epoch;
    const { latest, changes } = await changeLog.after(Math.max(state.number, 0), batchSize);
    const [first] = changes;
    const isAll = changes.length < batchSize;
    const follows = first === undefined ? latest === state.number : first.number === state.number + 1;
    if (state.epoch === "" || !follows || (isAll && state.tombstones > maxTombstones)) {
      await published.begin(state.epoch, crypto.randomUUID(), latest);
      return true;
    }
    await published.append(state.epoch, state.nowMs, isAll, changes);
    return !isAll;
  }

  async #run(): Promise<void> {
    const { logger, metrics, heartbeatMs, changeLog } = this.#options;
    const beats = metrics.counter("payflow_tenant_change_beats_total", "Beats of the change feed.", [
      "outcome",
    ]);
    let isAway = false;
    let prunedAt = performance.now();
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController();
      let hasMore = false;
      try {
        hasMore = await this.publish();
        beats.inc({ outcome: "published" });
        if (isAway) logger.info("changes of keys are published again");
        isAway = false;
        if (performance.now() - prunedAt > pruneEveryMs) {
          prunedAt = performance.now();
          await changeLog.prune(1_000);
        }
      } catch (error) {
        this.#epoch = "";
        beats.inc({ outcome: "failed" });
        if (!isAway)
          logger.warn({ err: error }, "changes of keys cannot be published; services ask for each key");
        isAway = true;
      }
      if (!hasMore) await pause(heartbeatMs, AbortSignal.any([this.#wake.signal, this.#stop.signal]));
    }
  }
}
