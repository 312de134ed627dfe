import type { Topic } from "@payflow/contracts/events.ts";
import { type Failure, type FailureLog, finishBatch, LeaseLost } from "../../../concurrency/finish-batch.ts";
import { backoffMs, pause } from "../../../concurrency/retry.ts";
import { Wakeup } from "../../../concurrency/wakeup.ts";
import { isTransient } from "../../../store/database.ts";
import type { Logger } from "../../../telemetry/logging.ts";
import type { BatchTrace, Subscription } from "../../bus.ts";
import type { BusMetrics } from "../../bus-metrics.ts";
import { type Delivery, eventsOf, letterOf, type NewLetter, toDelivery } from "../../deliveries.ts";
import type { KafkaRecord } from "../records.ts";
import type { Committable, Committer } from "./committer.ts";
import { encodeFailures } from "./failure-note.ts";

/** Where a partition's reading begins. */
export interface Start {
  readonly topic: Topic;
  readonly kafkaTopic: string;
  readonly partition: number;
  /** The topic's id, which a topic made anew does not have. */
  readonly log: string;
  readonly position: number;
  readonly failures: ReadonlyMap<string, Failure>;
}

export interface ReaderOptions {
  readonly subscription: Subscription;
  readonly committer: Committer;
  readonly logger: Logger;
  readonly metrics: BusMetrics;
  readonly trace: BatchTrace;
  /** Appends to the dead letters of the topic; `from` is the same for an event that is buried twice. */
  readonly bury: (topic: Topic, from: string, letter: NewLetter) => Promise<void>;
  /** Called when there is room for more. */
  readonly onRoom: () => void;
  /** Called when the reader has given up by itself. */
  readonly onEnded: (reader: PartitionReader) => void;
}

const waitForGroup = { firstMs: 100, maxMs: 2_000 };

/** Kafka's header that names the one group a redriven event is for. */
export const groupHeader = "payflow-for";

/**
 * Handles one partition's events, in order, batch by batch, as long as this member reads it. While a batch
 * waits for an error to pass nothing more is fetched; the other partitions go on.
 */
export class PartitionReader implements Committable {
  readonly topic: Topic;
  readonly kafkaTopic: string;
  readonly partition: number;
  readonly log: string;
  position: number;
  /** The first offset that was not fetched yet. */
  fetchFrom: number;
  isLost = false;
  readonly #options: ReaderOptions;
  readonly #failures: Map<string, Failure>;
  readonly #wakeup = new Wakeup();
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  #queue: KafkaRecord[] = [];
  #isPaused = false;
  /** The `next` that the group knows of. */
  #told: number;

  constructor(start: Start, options: ReaderOptions) {
    this.topic = start.topic;
    this.kafkaTopic = start.kafkaTopic;
    this.partition = start.partition;
    this.log = start.log;
    this.position = start.position;
    this.fetchFrom = start.position;
    this.#told = start.position;
    this.#failures = new Map(start.failures);
    this.#options = options;
    this.#loop = this.#run();
  }

  /** Whether more is to be fetched. */
  get hasRoom(): boolean {
    return !this.#stopping.signal.aborted && this.#queue.length < this.#options.subscription.maxBatch;
  }

  note(): string {
    for (const offset of this.#failures.keys()) {
      if (Number(offset) < this.position) this.#failures.delete(offset);
    }
    return encodeFailures(this.#failures, this.position);
  }

  /** Takes what was fetched; `next` is the offset after it. */
  deliver(records: readonly KafkaRecord[], next: number): void {
    const { group } = this.#options.subscription;
    for (const record of records) {
      const target = record.header(groupHeader);
      if (target === undefined || target === group) this.#queue.push(record);
    }
    this.fetchFrom = next;
    this.#countPaused();
    this.#wakeup.give();
  }

  /** Goes on elsewhere: what the broker kept ends before the position, or begins after it. */
  moveTo(position: number): void {
    this.position = position;
    this.fetchFrom = position;
    this.#told = position;
    this.#options.committer.note(this);
  }

  /** Finishes the batch under way. The position is the caller's to store. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakeup.give();
    await this.#loop;
  }

  /** Another member may read the partition: nothing more is begun or stored. */
  abandon(): void {
    this.isLost = true;
    this.#stopping.abort();
    this.#wakeup.give();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const taken = this.#wakeup.take();
      if (this.#queue.length === 0) {
        // Records that are no events of this group, or markers, are passed without a batch.
        if (this.fetchFrom > this.position) this.#advance(this.fetchFrom);
        await taken.given(1_000);
        continue;
      }
      const startedAt = performance.now();
      const records = this.#queue.slice(0, this.#options.subscription.maxBatch);
      this.#queue = this.#queue.slice(records.length);
      this.#countPaused();
      await this.#work(records);
      this.#options.onRoom();
      await this.#linger(records.length, startedAt);
    }
    this.#countPaused();
  }

  /** Where the handler is behind by a batch or more nothing is fetched, so that memory is bounded. */
  #countPaused(): void {
    const { metrics, subscription } = this.#options;
    const isPaused = !this.#stopping.signal.aborted && !this.hasRoom;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    metrics.pausedPartitions.inc({ group: subscription.group, topic: this.topic }, isPaused ? 1 : -1);
  }

  async #linger(count: number, startedAt: number): Promise<void> {
    const { maxBatch, lingerMs = 5 } = this.#options.subscription;
    const restMs = lingerMs - (performance.now() - startedAt);
    if (count < maxBatch / 2 && restMs > 1) await pause(restMs, this.#stopping.signal);
  }

  async #work(records: readonly KafkaRecord[]): Promise<void> {
    const deliveries = records.map(({ offset, value }) => toDelivery(String(offset), value ?? ""));
    const isDone = new Set<Delivery>();
    try {
      const finished = await finishBatch({
        items: deliveries,
        signal: this.#stopping.signal,
        isTransient,
        failures: this.#failureLog(isDone),
        handle: async (batch) => {
          await this.#handle(batch, deliveries, isDone);
          for (const delivery of batch) isDone.add(delivery);
        },
        onError: (error, kind, delivery) => this.#failed(error, kind, delivery),
      });
      const next = deliveries[finished];
      const position = next === undefined ? offsetAfter(deliveries) : Number(next.position);
      if (await this.#isTold(position)) this.#advance(position);
    } catch (error) {
      const level = error instanceof LeaseLost ? "debug" : "error";
      this.#options.logger[level]({ err: error, topic: this.topic }, "a partition's reader has given up");
      this.abandon();
      this.#options.onEnded(this);
    }
  }

  /**
   * Tells a group that keeps its own progress of dead letters that it was not told of with a batch. Until it
   * knows, what is remembered of them stays with the position. False when there was no time for it.
   */
  async #isTold(next: number): Promise<boolean> {
    const { subscription } = this.#options;
    const { log, partition, topic } = this;
    if (subscription.keepProgress === undefined || next <= this.#told) return true;
    for (let tries = 1; !this.isLost; tries += 1) {
      try {
        await subscription.keepProgress(topic, { log, partition, next });
        this.#told = next;
        return true;
      } catch (error) {
        if (!isTransient(error)) {
          // At worst the dead letters have their tries once more elsewhere; waiting would mend nothing.
          const about = { err: error, group: subscription.group, topic, partition };
          this.#options.logger.error(about, "a group could not keep its progress");
          return true;
        }
        this.#failed(error, "transient");
        if (this.#stopping.signal.aborted) return false;
        await pause(backoffMs(waitForGroup, tries), this.#stopping.signal);
      }
    }
    return false;
  }

  #advance(position: number): void {
    if (this.isLost) return;
    this.position = position;
    this.#options.committer.note(this);
  }

  async #handle(
    batch: readonly Delivery[],
    all: readonly Delivery[],
    isDone: ReadonlySet<Delivery>,
  ): Promise<void> {
    const { metrics, subscription, trace } = this.#options;
    const events = eventsOf(batch);
    const inBatch = new Set(batch);
    const firstOpen = all.find((delivery) => !isDone.has(delivery) && !inBatch.has(delivery));
    const progress = {
      log: this.log,
      partition: this.partition,
      first: Number(batch[0]?.position),
      last: Number(batch.at(-1)?.position),
      next: firstOpen === undefined ? offsetAfter(all) : Number(firstOpen.position),
    };
    const labels = { group: subscription.group, topic: this.topic };
    const startedAt = performance.now();
    await trace({ ...labels, events }, () => subscription.handle(this.topic, events, progress));
    metrics.batchSeconds.observe(labels, (performance.now() - startedAt) / 1_000);
    metrics.handled.inc(labels, events.length);
    this.#told = progress.next;
  }

  #failed(error: unknown, kind: "event" | "transient", delivery?: Delivery): void {
    const { logger, metrics, subscription } = this.#options;
    const labels = { group: subscription.group, topic: this.topic };
    metrics.failures.inc({ ...labels, kind });
    const event_id = delivery?.event?.event_id;
    const about = { ...labels, partition: this.partition, event_id, err: error };
    if (kind === "event") logger.error(about, "an event could not be handled");
    else logger.warn(about, "a partition waits for an error to pass");
  }

  #failureLog(isDone: Set<Delivery>): FailureLog<Delivery> {
    const { bury, committer, metrics, subscription } = this.#options;
    const record = async (delivery: Delivery, failure: Failure) => {
      this.#failures.set(delivery.position, failure);
      await committer.store(this);
    };
    return {
      load: async () => this.#failures,
      record,
      bury: async (delivery, failure) => {
        const { group } = subscription;
        const place = `${group}/${this.log}/${this.partition}/${delivery.position}`;
        await bury(this.topic, place, letterOf(group, delivery, failure));
        await record(delivery, { ...failure, isBuried: true });
        isDone.add(delivery);
        metrics.deadLetters.inc({ group, topic: this.topic });
      },
    };
  }
}

function offsetAfter(deliveries: readonly Delivery[]): number {
  return Number(deliveries.at(-1)?.position) + 1;
}
