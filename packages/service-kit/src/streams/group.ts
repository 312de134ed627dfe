import { evenShare } from "../concurrency/even-share.ts";
import { startRounds } from "../concurrency/rounds.ts";
import { newHolder } from "../store/lease.ts";
import { isRedisOutage, settled } from "../store/redis.ts";
import { leaseMs, leaseRoundMs } from "../store/redis-lease.ts";
import type { Logger } from "../telemetry/logging.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { isCluster, type StreamsRedis } from "./connect.ts";
import type { HeldPartition, PartitionConsumer } from "./consumer.ts";
import type { StreamKeys } from "./keys.ts";
import { type Fetch, openFetch } from "./reading/fetch.ts";
import { PartitionReader } from "./reading/reader.ts";
import { isRemoved, newPlace } from "./registry.ts";
import { type ScriptedStreams, withStreamScripts } from "./scripts.ts";
import { type StreamMetrics, streamMetrics } from "./stream-metrics.ts";

export interface GroupOptions {
  /**
   * A connection that is not used for writing, since its answers would wait behind what is read. On one
   * server a second is made beside it.
   */
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  readonly group: string;
  /** What kind of consumer this is, for the registry; the group's name when left out. */
  readonly kind?: string;
  /** Entries of one `take` at most. */
  readonly maxBatch: number;
  /** Entries of a partition that are read and not yet acknowledged, at most. */
  readonly maxPending: number;
  /**
   * A partition is read at most this often while little arrives, so that batches are larger; 25 when left
   * out.
   */
  readonly lingerMs?: number;
  /** How often consumers are told of the time; 250 when left out. */
  readonly tickMs?: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly open: (partition: HeldPartition) => PartitionConsumer;
}

export interface RunningGroup {
  /** Finishes what is under way, stores it, and gives the partitions to other replicas. */
  stop(): Promise<void>;
}

/**
 * Reads all partitions for a group, shared evenly with its other replicas: each partition by one replica at a
 * time, under a lease. Resolves also while Redis is away; reading begins once it is back. A group that is not
 * in the registry is put there; one that was removed from it is not read.
 */
export async function startGroup(options: GroupOptions): Promise<RunningGroup> {
  const member = new Member(options);
  await settled(options.redis);
  await member.round().catch((error: unknown) => member.report(error));
  const rounds = startRounds({
    logger: options.logger,
    failure: "a group's member could not extend its leases",
    everyMs: leaseRoundMs,
    round: async () => {
      await member.round().catch((error: unknown) => member.report(error));
      return undefined;
    },
  });
  return {
    async stop() {
      await rounds.stop();
      await member.leave();
    },
  };
}

let steps = 0;
/** Steps of one fence never share a number, whichever reader of this process makes them. */
const nextStep = () => {
  steps += 1;
  return steps;
};

/** One replica of a group. */
class Member {
  readonly #options: GroupOptions;
  readonly #redis: ScriptedStreams;
  readonly #name = newHolder("streams");
  readonly #fetch: Fetch;
  readonly #metrics: StreamMetrics;
  readonly #readers = new Map<number, PartitionReader>();
  readonly #rotation: number;

  constructor(options: GroupOptions) {
    this.#options = options;
    this.#redis = withStreamScripts(options.redis);
    this.#fetch = openFetch(options.redis, options.keys, options.maxBatch);
    this.#metrics = streamMetrics(options.metrics);
    Metrics.beginAtZero(this.#metrics.deadLetters, { group: options.group });
    this.#rotation = Bun.hash.crc32(options.group);
  }

  /** Extends the leases held, takes what is free up to the even share, and gives up what is beyond it. */
  async round(): Promise<void> {
    const { keys, group, kind = group, partitions } = this.#options;
    const reply = await this.#redis.streamsJoin(
      ...[2, keys.members(group), keys.groups(), this.#name],
      ...[leaseMs, group, newPlace(kind, "0")],
    );
    const [now, place, ...members] = reply;
    if (isRemoved(String(place))) {
      // Its leases are gone with all else it had.
      for (const [partition, reader] of this.#readers) this.#lose(partition, reader);
      this.#metrics.heldPartitions.set({ group }, this.#readers.size);
      return;
    }
    const quota = evenShare(partitions, members.map(String), this.#name, this.#rotation % partitions);
    await this.#extend();
    const staying = [...this.#readers].filter(([, reader]) => !reader.isEnding);
    for (const [partition, reader] of staying.slice(quota)) void this.#giveUp(partition, reader);
    if (this.#readers.size < quota) await this.#take(quota - this.#readers.size, Number(now));
    this.#metrics.heldPartitions.set({ group }, this.#readers.size);
  }

  /** The last thing: everything is finished and given up. */
  async leave(): Promise<void> {
    const { keys, group } = this.#options;
    await Promise.all([...this.#readers].map(([partition, reader]) => this.#giveUp(partition, reader)));
    await this.#redis.zrem(keys.members(group), this.#name).catch((error: unknown) => this.report(error));
    this.#metrics.heldPartitions.set({ group }, 0);
    this.#fetch.close();
  }

  report(error: unknown): void {
    const about = { err: error, group: this.#options.group };
    if (isRedisOutage(error)) this.#options.logger.debug(about, "a group's member waits for Redis");
    else this.#options.logger.error(about, "a group's member could not extend its leases");
  }

  async #extend(): Promise<void> {
    const held = [...this.#readers];
    const fences = await this.#hold(held.map(([partition]) => partition));
    for (const [index, [partition, reader]] of held.entries()) {
      if (fences[index] !== reader.fence) this.#lose(partition, reader);
    }
  }

  #lose(partition: number, reader: PartitionReader): void {
    reader.end("lost");
    void reader.ended.then(() => this.#forget(partition, reader));
  }

  #forget(partition: number, reader: PartitionReader): void {
    if (this.#readers.get(partition) === reader) this.#readers.delete(partition);
  }

  async #giveUp(partition: number, reader: PartitionReader): Promise<void> {
    reader.end("stopping");
    await reader.ended;
    try {
      await this.#redis.streamsRelease(1, this.#lease(partition), this.#name);
    } catch (error) {
      // The lease ends by itself.
      this.report(error);
    }
    this.#forget(partition, reader);
  }

  async #take(count: number, nowMs: number): Promise<void> {
    const { partitions } = this.#options;
    const others = Array.from({ length: partitions }, (_, partition) => partition).filter(
      (partition) => !this.#readers.has(partition),
    );
    const leases = await Promise.all(others.map((partition) => this.#redis.get(this.#lease(partition))));
    const free = others.filter((_, index) => {
      const [, ends = "0", holder] = (leases[index] ?? "").split(" ");
      return Number(ends) <= nowMs || holder === this.#name;
    });
    // Replicas that start together do not all begin with the same ones.
    const from = Math.floor(Math.random() * free.length);
    const wanted = [...free.slice(from), ...free.slice(0, from)].slice(0, count);
    const fences = await this.#hold(wanted);
    for (const [index, partition] of wanted.entries()) {
      const fence = fences[index] ?? 0;
      if (fence > 0) this.#read(partition, fence);
    }
  }

  #read(partition: number, fence: number): void {
    const { lingerMs = 25, tickMs = 250 } = this.#options;
    const reader = new PartitionReader({
      ...this.#options,
      redis: this.#redis,
      metrics: this.#metrics,
      member: this.#name,
      number: partition,
      fence,
      fetch: this.#fetch,
      lingerMs,
      tickMs,
      nextStep,
    });
    this.#readers.set(partition, reader);
    void reader.ended.then(() => {
      // One that ended by itself has lost its lease; given up ones are forgotten once that is released.
      if (reader.isLost) this.#forget(partition, reader);
    });
  }

  /** Takes or extends leases; the fences, 0 for those of others. On a cluster each is a call of its own. */
  async #hold(partitions: readonly number[]): Promise<readonly number[]> {
    if (partitions.length === 0) return [];
    const leases = partitions.map((partition) => this.#lease(partition));
    if (!isCluster(this.#options.redis)) {
      return this.#redis.streamsHold(leases.length, ...leases, this.#name, leaseMs);
    }
    const replies = await Promise.all(
      leases.map((lease) => this.#redis.streamsHold(1, lease, this.#name, leaseMs)),
    );
    return replies.map(([fence = 0]) => fence);
  }

  #lease(partition: number): string {
    return this.#options.keys.lease(partition, this.#options.group);
  }
}
