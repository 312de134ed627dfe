import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import { finishBatch, LeaseLost } from "../../concurrency/finish-batch.ts";
import { pause } from "../../concurrency/retry.ts";
import { Wakeup } from "../../concurrency/wakeup.ts";
import { isTransient } from "../../store/database.ts";
import { isRedisOutage } from "../../store/redis.ts";
import type { Logger } from "../../telemetry/logging.ts";
import type { BatchTrace, Subscription } from "../bus.ts";
import type { BusMetrics } from "../bus-metrics.ts";
import { type Delivery, eventsOf } from "../deliveries.ts";
import { type Entry, toDeliveries, toEntries } from "./deliveries.ts";
import { RedisFailureLog } from "./failure-log.ts";
import type { Held, Holding } from "./holding.ts";
import type { Keys } from "./keys.ts";
import type { ScriptedRedis } from "./scripts.ts";

export interface ReaderOptions {
  readonly redis: ScriptedRedis;
  readonly keys: Keys;
  readonly member: string;
  readonly topic: Topic;
  readonly subscription: Subscription;
  readonly logger: Logger;
  readonly metrics: BusMetrics;
  readonly trace: BatchTrace;
}

/** How long a reader waits for the announcement of new entries before it looks by itself. */
const pollMs = 500;

/**
 * Reads one topic for a group: the partitions it holds go into one batch, and a partition whose entries fail
 * is then worked on apart until they are handled or buried, so that the others go on.
 */
export class TopicReader {
  readonly #options: ReaderOptions;
  readonly #held = new Map<number, Held>();
  readonly #wakeup = new Wakeup();
  readonly #apart = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  #isStopping = false;
  #turn = 0;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  get topic(): Topic {
    return this.#options.topic;
  }

  /** New entries or another share: the reader looks at once. */
  wake(): void {
    this.#wakeup.give();
  }

  /**
   * Takes over what the lease script says is held, and begins to give up what is beyond this replica's share.
   */
  update(holdings: readonly Holding[], surplus: number): void {
    const now = new Map(holdings.map((holding) => [holding.partition, holding]));
    for (const held of this.#held.values()) {
      if (now.get(held.partition)?.fence !== held.fence) this.#drop(held);
    }
    let isChanged = false;
    for (const holding of holdings) {
      if (this.#held.has(holding.partition) || this.#isStopping) continue;
      isChanged = true;
      this.#held.set(holding.partition, { ...holding, isStored: true, isLeaving: false, apart: null });
    }
    const staying = [...this.#held.values()].filter((held) => !held.isLeaving);
    const leaving = this.#held.size - staying.length;
    for (const held of staying.slice(0, Math.max(surplus - leaving, 0))) {
      isChanged = true;
      this.#leave(held);
    }
    this.#count();
    if (isChanged) this.wake();
  }

  /** Finishes the batch under way and stores its position. The leases stay for the caller to release. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const held of this.#held.values()) held.apart?.abort();
    this.wake();
    await this.#loop;
    await Promise.all(this.#apart);
    await this.#store().catch((error) => this.#report(error));
    this.#held.clear();
    this.#count();
  }

  #leave(held: Held): void {
    held.isLeaving = true;
    held.apart?.abort();
  }

  #drop(held: Held): void {
    held.apart?.abort();
    if (this.#held.get(held.partition) === held) this.#held.delete(held.partition);
  }

  #count(): void {
    const { metrics, subscription, topic } = this.#options;
    metrics.heldPartitions.set({ group: subscription.group, topic }, this.#held.size);
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#giveUpLeaving();
        const startedAt = performance.now();
        const taken = this.#wakeup.take();
        const count = await this.#readOnce();
        if (count === 0) await taken.given(pollMs);
        else await this.#linger(count, startedAt);
      } catch (error) {
        this.#report(error);
        await pause(200);
      }
    }
  }

  async #linger(count: number, startedAt: number): Promise<void> {
    const { maxBatch, lingerMs = 5 } = this.#options.subscription;
    const restMs = lingerMs - (performance.now() - startedAt);
    if (count < maxBatch / 2 && restMs > 1 && !this.#isStopping) await pause(restMs);
  }

  /**
   * Stores the last batch's positions and reads the next in one round trip. Returns how many entries it
   * handled.
   */
  async #readOnce(): Promise<number> {
    const ready = [...this.#held.values()].filter((held) => held.apart === null && !held.isLeaving);
    const stored = this.#store();
    const read = ready.length === 0 ? null : this.#read(ready);
    // Both were sent together; whichever fails, none is left unobserved.
    const [, reply] = await Promise.all([stored, read]);
    if (reply === null || reply.size === 0) return 0;
    const parts: { held: Held; entries: Entry[]; deliveries: Delivery[] }[] = [];
    let count = 0;
    for (const held of ready) {
      const entries = reply.get(this.#stream(held));
      if (entries === undefined || this.#held.get(held.partition) !== held) continue;
      count += entries.length;
      parts.push({ held, entries, deliveries: toDeliveries(this.#options.subscription.group, entries) });
    }
    await this.#handleParts(parts);
    return count;
  }

  async #read(ready: readonly Held[]): Promise<ReadonlyMap<string, Entry[]>> {
    const { maxBatch } = this.#options.subscription;
    // With fewer events to a batch than partitions, they take turns.
    const from = ready.length > maxBatch ? this.#turn++ % ready.length : 0;
    const asked = [...ready.slice(from), ...ready.slice(0, from)].slice(0, maxBatch);
    const each = Math.floor(maxBatch / asked.length);
    const streams = asked.map((held) => this.#stream(held));
    const positions = asked.map((held) => held.position);
    const reply = await this.#options.redis.xread("COUNT", each, "STREAMS", ...streams, ...positions);
    return toEntries(reply);
  }

  async #handleParts(
    parts: readonly { held: Held; entries: Entry[]; deliveries: Delivery[] }[],
  ): Promise<void> {
    const readable = parts.filter((part) => part.deliveries.every((delivery) => delivery.event !== null));
    const events: EventEnvelope[] = [];
    for (const { deliveries } of readable) {
      for (const { event } of deliveries) if (event !== null) events.push(event);
    }
    let isHandled = true;
    try {
      if (events.length > 0) await this.#handle(events);
    } catch (error) {
      isHandled = false;
      this.#options.logger.debug({ err: error, topic: this.topic }, "a batch failed and is taken apart");
    }
    for (const part of parts) {
      if (isHandled && readable.includes(part)) this.#advance(part.held, part.entries, part.entries.length);
      else this.#workApart(part.held, part.entries, part.deliveries);
    }
  }

  async #handle(events: readonly EventEnvelope[]): Promise<void> {
    const { metrics, subscription, topic, trace } = this.#options;
    const labels = { group: subscription.group, topic };
    const startedAt = performance.now();
    await trace({ ...labels, events }, () => subscription.handle(topic, events));
    metrics.batchSeconds.observe(labels, (performance.now() - startedAt) / 1_000);
    metrics.handled.inc(labels, events.length);
  }

  #advance(held: Held, entries: readonly Entry[], count: number): void {
    const last = entries[count - 1];
    if (last === undefined) return;
    held.position = last[0];
    held.entriesRead += count;
    held.isStored = false;
  }

  #workApart(held: Held, entries: readonly Entry[], deliveries: readonly Delivery[]): void {
    const apart = new AbortController();
    held.apart = apart;
    if (this.#isStopping || held.isLeaving) apart.abort();
    const work = this.#finish(held, entries, deliveries, apart.signal).finally(() => {
      held.apart = null;
      this.#apart.delete(work);
      this.wake();
    });
    this.#apart.add(work);
  }

  async #finish(
    held: Held,
    entries: readonly Entry[],
    deliveries: readonly Delivery[],
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const finished = await finishBatch({
        items: deliveries,
        signal,
        isTransient,
        handle: (batch) => this.#handle(eventsOf(batch)),
        failures: new RedisFailureLog(this.#options, held),
        onError: (error, kind, delivery) => this.#failed(error, kind, held.partition, delivery),
      });
      const next = deliveries[finished];
      const count = next === undefined ? entries.length : entries.findIndex(([id]) => id === next.position);
      this.#advance(held, entries, count);
    } catch (error) {
      if (!(error instanceof LeaseLost)) this.#report(error);
      this.#drop(held);
    }
  }

  #failed(error: unknown, kind: "event" | "transient", partition: number, delivery?: Delivery): void {
    const { logger, metrics, subscription, topic } = this.#options;
    const labels = { group: subscription.group, topic };
    metrics.failures.inc({ ...labels, kind });
    const about = { ...labels, partition, event_id: delivery?.event?.event_id, err: error };
    if (kind === "event") logger.error(about, "an event could not be handled");
    else logger.warn(about, "a partition waits for an error to pass");
  }

  /** Stores positions not stored yet; what another replica has taken over is dropped. */
  async #store(): Promise<void> {
    const waiting = [...this.#held.values()].filter((held) => !held.isStored);
    if (waiting.length === 0) return;
    const { redis, keys, subscription, member } = this.#options;
    const values = waiting.flatMap((held) => [held.partition, held.fence, held.position, held.entriesRead]);
    const positions = waiting.map((held) => held.position);
    const stores = waiting.flatMap((held) => [
      this.#stream(held),
      keys.failures(subscription.group, this.topic, held.partition),
    ]);
    const reply = await redis.busCommit(
      stores.length + 1,
      ...[keys.leases(subscription.group, this.topic), ...stores],
      ...[subscription.group, member, ...values],
    );
    for (const [index, held] of waiting.entries()) {
      if (reply[index] !== 1) this.#drop(held);
      else if (held.position === positions[index]) held.isStored = true;
    }
  }

  /** Releases what is beyond this replica's share, once nothing of it is under way. */
  async #giveUpLeaving(): Promise<void> {
    const leaving = [...this.#held.values()].filter((held) => held.isLeaving && held.apart === null);
    if (leaving.length === 0) return;
    await this.#store();
    const { redis, keys, subscription, member } = this.#options;
    const partitions = leaving.map((held) => held.partition);
    await redis.busRelease(
      2,
      keys.members(subscription.group, this.topic),
      keys.leases(subscription.group, this.topic),
      ...[member, keys.changes(subscription.group), 0, ...partitions],
    );
    for (const held of leaving) this.#drop(held);
    this.#count();
  }

  #stream(held: Held): string {
    return this.#options.keys.stream(this.topic, held.partition);
  }

  #report(error: unknown): void {
    const about = { err: error, group: this.#options.subscription.group, topic: this.topic };
    if (isRedisOutage(error)) this.#options.logger.debug(about, "a reader waits for Redis");
    else this.#options.logger.error(about, "a reader failed and goes on");
  }
}
