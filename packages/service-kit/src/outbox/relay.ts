import type { Sql } from "postgres";
import type { EventBus } from "../bus/bus.ts";
import { type BusName, maySendOver } from "../bus-change/recorded-bus.ts";
import { backoffMs, pause } from "../concurrency/retry.ts";
import { Wakeup } from "../concurrency/wakeup.ts";
import { isTransient } from "../store/database.ts";
import { newHolder } from "../store/lease.ts";
import type { Logger } from "../telemetry/logging.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { OutboxBell } from "./bell.ts";
import { outboxShards } from "./outbox.ts";
import { OutboxRows, type OutgoingRow } from "./rows.ts";
import { ShardShare } from "./shard-share.ts";

export interface RelayOptions {
  /** A pool of two or more connections; of its own, where the service's pool may be busy for long. */
  readonly sql: Sql;
  readonly bus: Pick<EventBus, "send">;
  /** Which one that is: nothing is sent while the database records a change of bus, or another bus. */
  readonly busName: BusName;
  readonly service: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly batchSize?: number;
  /** How long an idle relay waits at most before it looks by itself; until its next round when left out. */
  readonly pollMs?: number;
  readonly leaseSeconds?: number;
}

export interface Relay {
  /**
   * Call it after a commit that left rows: they are sent now and not at the next poll, whichever replica
   * sends them.
   */
  wake(): void;
  /** Finishes the batch under way, gives the shards to other replicas, and resolves. */
  stop(): Promise<void>;
}

/**
 * Sends what transactions left in the outbox, in order per key, and deletes it once the bus has acknowledged
 * it.
 */
export function startRelay(options: RelayOptions): Relay {
  return new OutboxRelay(options);
}

const roundMs = 500;
const observeMs = 5_000;
/** While little arrives, batches are at least this far apart, so that they are worth their round trips. */
const lingerMs = 10;
/** A shard whose row the bus refuses for a reason of its own is left alone for so long. */
const refusedMs = 5_000;

class OutboxRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #share: ShardShare;
  readonly #rows: OutboxRows;
  readonly #bell: OutboxBell;
  readonly #wakeup = new Wakeup();
  readonly #stopping = new AbortController();
  readonly #refusedUntilMs = new Map<number, number>();
  readonly #sent;
  readonly #size;
  readonly #age;
  readonly #loops: Promise<unknown>;
  #lastRoundMs = Number.NEGATIVE_INFINITY;
  #isHeld = false;
  #failures = 0;
  #emptyReads = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    const { sql, metrics, leaseSeconds = 3 } = options;
    const holder = newHolder(options.service);
    const name = "outbox";
    this.#share = new ShardShare({ sql, name, holder, leaseSeconds, shardCount: outboxShards });
    this.#rows = new OutboxRows(sql, name, holder);
    this.#bell = new OutboxBell(sql, () => this.#wakeup.give());
    this.#sent = metrics.counter("payflow_outbox_sent_events_total", "Events sent from the outbox.");
    this.#size = metrics.gauge("payflow_outbox_waiting_events", "Rows waiting in the shards held here.");
    this.#age = metrics.gauge("payflow_outbox_oldest_seconds", "Age of the oldest of them.");
    this.#loops = Promise.all([
      this.#relay(),
      this.#every(roundMs, () => this.#share.extend()),
      this.#every(observeMs, () => this.#observe()),
    ]);
  }

  wake(): void {
    this.#wakeup.give();
    if (this.#share.isShared) this.#bell.ring();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakeup.give();

    await this.#loops;

    await this.#bell.close();

    await this.#share.leave().catch((error) => this.#report(error));
  }

  async #relay(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const startedAtMs = performance.now();
      const taken = this.#wakeup.take();
      try {
        if (startedAtMs - this.#lastRoundMs >= roundMs) await this.#round(startedAtMs);
        const count = await this.#sendOnce();
        this.#failures = 0;
        this.#emptyReads = count === 0 ? this.#emptyReads + 1 : 0;
        if (count === 0) await taken.given(this.#idleMs());
        else if (count < this.#batchSize / 2) await this.#linger(startedAtMs);
      } catch (error) {
        this.#report(error);
        this.#failures += 1;
        await pause(backoffMs({ firstMs: 50, maxMs: 1_000 }, this.#failures), signal);
      }
    }
  }

  /**
   * Where rows came in a moment ago, the next ones are looked for soon. Later it is enough to look in each
   * round, since whoever leaves rows wakes the relay.
   */
  #idleMs(): number {
    const untilRoundMs = Math.max(0, this.#lastRoundMs + roundMs - performance.now());
    const { pollMs = untilRoundMs } = this.#options;
    return this.#emptyReads > 4 ? pollMs : Math.min(pollMs, lingerMs * 2 ** (this.#emptyReads - 1));
  }

  async #linger(startedAtMs: number): Promise<void> {
    const restMs = startedAtMs + lingerMs - performance.now();
    if (restMs > 0) await pause(restMs, this.#stopping.signal);
  }

  async #round(nowMs: number): Promise<void> {
    if (!this.#isHeld || (await this.#mayRelay())) await this.#share.round();
    // Asked once the leases are taken: whoever records a change either sees them, or is seen here.
    this.#isHeld = !(await this.#mayRelay());
    if (this.#isHeld) await this.#share.release();
    this.#lastRoundMs = nowMs;
    await this.#bell.listen();
  }

  #mayRelay(): Promise<boolean> {
    return maySendOver(this.#options.sql, this.#options.busName);
  }

  get #batchSize(): number {
    return this.#options.batchSize ?? 512;
  }

  /** Sends the oldest rows of all shards held, in one read, one send and one delete. Returns how many. */
  async #sendOnce(): Promise<number> {
    const nowMs = performance.now();
    const shards = this.#share.held.filter((shard) => (this.#refusedUntilMs.get(shard) ?? 0) < nowMs);
    if (shards.length === 0) return 0;
    const rows = await this.#rows.oldest(shards, this.#batchSize);
    // The leases may have ended while the read was under way; another relay then sends these rows.
    const held = new Set(this.#share.held);
    const sendable = rows.filter((row) => held.has(row.shard));
    if (sendable.length === 0) return 0;
    const sent = await this.#send(sendable);
    await this.#rows.remove(sent);
    this.#sent.inc(sent.length);
    return sent.length;
  }

  /** Sends all rows; when the bus refuses one for itself, shard by shard. Returns the rows acknowledged. */
  async #send(rows: readonly OutgoingRow[]): Promise<readonly OutgoingRow[]> {
    try {
      await this.#options.bus.send(rows);
      return rows;
    } catch (error) {
      if (isTransient(error)) throw error;
    }
    const sent: OutgoingRow[] = [];
    for (const shard of new Set(rows.map((row) => row.shard))) {
      const part = rows.filter((row) => row.shard === shard);
      try {
        await this.#options.bus.send(part);
        sent.push(...part);
      } catch (error) {
        this.#options.logger.error({ err: error, shard }, "the bus refuses a row of the outbox");
        this.#refusedUntilMs.set(shard, performance.now() + refusedMs);
      }
    }
    return sent;
  }

  async #observe(): Promise<void> {
    const { count, oldestSeconds } = await this.#rows.backlog(this.#share.held);
    this.#size.set(count);
    this.#age.set(oldestSeconds);
  }

  async #every(periodMs: number, run: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await pause(periodMs, signal);
      if (!signal.aborted) await run().catch((error) => this.#report(error));
    }
  }

  #report(error: unknown): void {
    const level = isTransient(error) ? "warn" : "error";
    // One line at the first failure; the backlog's metrics tell how long it lasts.
    if (this.#failures === 0 || level === "error") {
      this.#options.logger[level]({ err: error }, "the outbox waits");
    }
  }
}
