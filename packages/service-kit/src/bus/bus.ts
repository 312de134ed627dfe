import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";

/**
 * The event bus between the apps: at least once, in order per key within a topic, through crashes and
 * rebalances. Nothing is promised across topics. Adapters pass `busContractSuite` of the testkit.
 */
export interface EventBus {
  /**
   * Appends events of one topic and resolves once they are durable. Throws for a malformed event, and
   * `unavailable` while the broker is away or above its high-water mark; then some of the events may have
   * been stored, of each key the first ones.
   */
  publish(topic: Topic, events: readonly EventEnvelope[]): Promise<void>;
  /**
   * The same for envelopes that were checked and encoded when they were committed. Order is kept per topic
   * and key.
   */
  send(messages: readonly BusMessage[]): Promise<void>;
  /**
   * Starts reading for a declared group. Resolves also while the broker is away; reading starts once it is
   * back.
   */
  subscribe(subscription: Subscription): Promise<RunningSubscription>;
  /** How far a group is behind, over all its topics. Throws `unavailable` while the broker is away. */
  lag(group: string): Promise<GroupLag>;
  readonly deadLetters: DeadLetters;
  /** Stops all subscriptions as their `stop` does and disconnects. */
  close(): Promise<void>;
}

export interface BusMessage {
  readonly topic: string;
  readonly key: string;
  /** The envelope's JSON text, sent as it is. */
  readonly envelope: string;
}

export interface Subscription {
  /** A group of contracts' `consumerGroups`. Its replicas share the partitions. */
  readonly group: string;
  readonly topics: readonly Topic[];
  /** Events of one call at most. */
  readonly maxBatch: number;
  /**
   * A batch is made at most this often while little arrives, so that a busy topic comes in larger batches.
   */
  readonly lingerMs?: number;
  /**
   * Takes a batch of one topic, in order per key. It returns after its own transaction: then the batch is
   * acknowledged. It may see an event again, and batches of several partitions may run at the same time.
   * `progress` is left out where the bus itself is the only keeper of the group's progress (Redis Streams).
   */
  handle(topic: Topic, events: readonly EventEnvelope[], progress?: BatchProgress): Promise<void>;
  /**
   * Asked each time this replica takes partitions over: the `next` of each partition of the log, as the
   * handler's own database has it. Reading begins there; for partitions that are not in the answer it begins
   * where the bus says. Asked again without limit while it fails with an error that passes.
   */
  resumeFrom?(topic: Topic, log: string): Promise<ReadonlyMap<number, number>>;
  /**
   * Told where a partition goes on when events at its end became dead letters, which no batch tells: for a
   * group that answers `resumeFrom`. The partition waits while it fails with an error that passes. Not called
   * where the bus itself is the only keeper of the group's progress.
   */
  keepProgress?(topic: Topic, place: PartitionPlace): Promise<void>;
}

/** Where a group goes on in one partition. */
export type PartitionPlace = Pick<BatchProgress, "log" | "partition" | "next">;

/**
 * How far a batch brings its partition, for a handler that stores this in the transaction of its effect. Then
 * a batch whose acknowledgement was lost does not come again.
 */
export interface BatchProgress {
  /**
   * Names the topic's log. One that was made anew, or is on another cluster, has another name, so that no
   * stored offset is taken for one of its own.
   */
  readonly log: string;
  readonly partition: number;
  /** Offsets of the batch's first and last event; they grow, with gaps. */
  readonly first: number;
  readonly last: number;
  /**
   * All before this offset is finished once this batch is. It stays behind `last` while an earlier event
   * still has tries to come.
   */
  readonly next: number;
}

export interface RunningSubscription {
  /** Finishes and acknowledges the batch under way, gives the partitions to other replicas, and resolves. */
  stop(): Promise<void>;
}

/** Wraps the handling of each batch, for a consumer span. */
export type BatchTrace = (
  batch: { readonly group: string; readonly topic: Topic; readonly events: readonly EventEnvelope[] },
  run: () => Promise<void>,
) => Promise<void>;

export interface TopicLag {
  readonly topic: Topic;
  /** Events not acknowledged yet. */
  readonly events: number;
  /** Age of the oldest of them on the bus, in seconds; 0 when there is none. */
  readonly seconds: number;
}

export interface GroupLag {
  readonly group: string;
  readonly events: number;
  readonly seconds: number;
  readonly topics: readonly TopicLag[];
}

/** An event that a group could not handle, kept for 30 days. */
export interface DeadLetter {
  readonly id: string;
  readonly topic: Topic;
  readonly group: string;
  readonly event_id: string | null;
  readonly key: string;
  readonly reason: string;
  readonly tries: number;
  readonly first_failed_at: string;
  readonly last_failed_at: string;
  /** The envelope's text as it was read. */
  readonly envelope: string;
}

export interface DeadLetterQuery {
  readonly group: string;
  readonly topic?: Topic;
  readonly limit: number;
  /** The `next` of the page before. */
  readonly after?: string;
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  readonly next: string | null;
}

export interface DeadLetters {
  /** Newest first. */
  list(query: DeadLetterQuery): Promise<DeadLetterPage>;
  /**
   * Puts letters back at the end of their partition, for the group that failed them alone, oldest first;
   * those named by `ids`, or up to `limit` of the group's. Returns how many.
   */
  redrive(request: RedriveRequest): Promise<number>;
}

export interface RedriveRequest {
  readonly group: string;
  readonly topic?: Topic;
  readonly ids?: readonly string[];
  readonly limit: number;
}

/** The share of the broker's memory above which it takes no more events. */
export const highWaterShare = 0.9;
export const deadLetterDays = 30;
