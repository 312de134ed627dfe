import { topics } from "@payflow/contracts/events.ts";
import type { Redis } from "ioredis";
import { pause } from "../../concurrency/retry.ts";
import { Wakeup } from "../../concurrency/wakeup.ts";
import { isRedisOutage, settled } from "../../store/redis.ts";
import { leaseMs, leaseRoundMs } from "../../store/redis-lease.ts";
import type { Logger } from "../../telemetry/logging.ts";
import type { BatchTrace, RunningSubscription, Subscription } from "../bus.ts";
import type { BusMetrics } from "../bus-metrics.ts";
import type { Holding } from "./holding.ts";
import { type Keys, partitions } from "./keys.ts";
import { TopicReader } from "./reader.ts";
import type { ScriptedRedis } from "./scripts.ts";

export interface MemberOptions {
  readonly redis: ScriptedRedis;
  /** A connection of its own, since a subscribed one takes no other commands. */
  readonly signals: Redis;
  readonly keys: Keys;
  readonly member: string;
  readonly subscription: Subscription;
  readonly logger: Logger;
  readonly metrics: BusMetrics;
  readonly trace: BatchTrace;
}

/**
 * One replica of a group: it extends its leases, shares partitions evenly with the others and runs the
 * readers.
 */
export class GroupMember implements RunningSubscription {
  readonly #options: MemberOptions;
  readonly #readers: readonly TopicReader[];
  readonly #stopping = new AbortController();
  readonly #changed = new Wakeup();
  #rounds: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | null = null;

  private constructor(options: MemberOptions) {
    this.#options = options;
    this.#readers = options.subscription.topics.map((topic) => new TopicReader({ ...options, topic }));
  }

  /** Joins the group; resolves after the first round, also when Redis is away. */
  static async join(options: MemberOptions): Promise<GroupMember> {
    const member = new GroupMember(options);
    member.#listen();
    await Promise.all([settled(options.redis), settled(options.signals)]);
    await member.#round();
    member.#announce();
    member.#rounds = member.#run();
    return member;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#leave();
    return this.#stopped;
  }

  #listen(): void {
    const { signals, keys, subscription } = this.#options;
    const changes = keys.changes(subscription.group);
    const arrivals = new Map(this.#readers.map((reader) => [keys.arrivals(reader.topic), reader]));
    signals.on("message", (channel: string) => {
      if (channel === changes) this.#changed.give();
      else arrivals.get(channel)?.wake();
    });
    const subscribe = () => {
      // A lost announcement costs one polling period; the next connect subscribes again.
      signals.subscribe(changes, ...arrivals.keys()).catch(() => {});
    };
    signals.on("ready", subscribe);
    if (signals.status === "ready") subscribe();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#changed.take().given(leaseRoundMs);
      if (this.#stopping.signal.aborted) return;
      await this.#round();
    }
  }

  async #round(): Promise<void> {
    const outcomes = await Promise.allSettled(this.#readers.map((reader) => this.#shareTopic(reader)));
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") this.#report(outcome.reason);
    }
    // While Redis is away a round fails at once.
    if (outcomes.some((outcome) => outcome.status === "rejected")) await pause(100, this.#stopping.signal);
  }

  async #shareTopic(reader: TopicReader): Promise<void> {
    const { redis, keys, member, subscription } = this.#options;
    const streams = keys.streams(reader.topic);
    const reply = await redis.busShare(
      2 + streams.length,
      ...[keys.members(subscription.group, reader.topic), keys.leases(subscription.group, reader.topic)],
      ...streams,
      ...[subscription.group, member, leaseMs, topics.indexOf(reader.topic)],
    );
    const [surplus = 0, ...values] = reply;
    const holdings: Holding[] = [];
    for (let at = 0; at + 3 < values.length; at += 4) {
      holdings.push({
        partition: Number(values[at]),
        fence: Number(values[at + 1]),
        position: String(values[at + 2]),
        entriesRead: Number(values[at + 3]),
      });
    }
    reader.update(holdings, Number(surplus));
  }

  /** Lets the other replicas give up their surplus now and not in their next round. */
  #announce(): void {
    const { redis, keys, subscription } = this.#options;
    redis.publish(keys.changes(subscription.group), "").catch(() => {});
  }

  async #leave(): Promise<void> {
    this.#stopping.abort();
    this.#changed.give();
    await this.#rounds;
    await Promise.all(this.#readers.map((reader) => reader.stop()));
    const { redis, keys, member, subscription, signals } = this.#options;
    const { group } = subscription;

    await Promise.allSettled(
      this.#readers.map((reader) =>
        redis.busRelease(
          2,
          ...[keys.members(group, reader.topic), keys.leases(group, reader.topic)],
          ...[member, keys.changes(group), 1, ...partitions],
        ),
      ),
    );
    signals.disconnect();
    redis.disconnect();
  }

  #report(error: unknown): void {
    const about = { err: error, group: this.#options.subscription.group };
    if (isRedisOutage(error)) this.#options.logger.debug(about, "a group's member waits for Redis");
    else this.#options.logger.error(about, "a group's member could not extend its leases");
  }
}
