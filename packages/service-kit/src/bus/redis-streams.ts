import { checkEvent, type EventEnvelope, type Topic } from "@payflow/contracts/events.ts";
import { newHolder } from "../store/lease.ts";
import { orUnavailable as orBusUnavailable } from "../store/redis.ts";
import type { Logger } from "../telemetry/logging.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type {
  BatchTrace,
  BusMessage,
  DeadLetters,
  EventBus,
  GroupLag,
  RunningSubscription,
  Subscription,
} from "./bus.ts";
import { type BusMetrics, busMetrics, countFromZero } from "./bus-metrics.ts";
import { assertDeclared, isTopic } from "./groups.ts";
import { RedisDeadLetters } from "./redis/dead-letters.ts";
import { GroupMember } from "./redis/group-member.ts";
import { busKeys, declaredGroups, type Keys, partitionOf } from "./redis/keys.ts";
import { readLag } from "./redis/lag.ts";
import { Link } from "./redis/link.ts";
import { withScripts } from "./redis/scripts.ts";
import { Upkeep } from "./redis/upkeep.ts";

export interface RedisStreamsOptions {
  readonly url: string;
  /** The service, for the names of connections and members. */
  readonly service: string;
  /** Apps whose consumer groups hold entries back from trimming. */
  readonly installedApps: readonly string[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly trace?: BatchTrace;
  /** Begins every key; two installations on one Redis need two. */
  readonly prefix?: string;
}

/** Envelopes of one script call at most: Redis does nothing else meanwhile. */
const maxAppend = 1_000;

/** How long opening waits for a Redis that is away before the service starts without it. */
const openWaitMs = 3_000;

/**
 * The bus on Redis Streams: a topic is 8 streams by hash of the key. Throws `ConfigError` when this Redis is
 * not set up to keep what it acknowledges; with Redis away it resolves, and works once Redis is back.
 */
export async function openRedisStreams(options: RedisStreamsOptions): Promise<EventBus> {
  const bus = new RedisStreams(options);
  try {
    await bus.open();
  } catch (error) {
    await bus.close();
    throw error;
  }
  return bus;
}

class RedisStreams implements EventBus {
  readonly deadLetters: DeadLetters;
  readonly #options: RedisStreamsOptions;
  readonly #keys: Keys;
  readonly #link: Link;
  readonly #metrics: BusMetrics;
  readonly #upkeep: Upkeep;
  readonly #running = new Set<RunningSubscription>();

  constructor(options: RedisStreamsOptions) {
    this.#options = options;
    this.#keys = busKeys(options.prefix ?? "bus");
    const groups = declaredGroups(options.installedApps);
    const { url, service: name, logger } = options;
    this.#link = new Link({ url, name, logger, keys: this.#keys, groups });
    this.#metrics = busMetrics(options.metrics);
    const letters = new RedisDeadLetters(this.#link.writer, this.#keys);
    this.deadLetters = {
      list: (query) => orUnavailable(() => letters.list(query)),
      redrive: (request) => orUnavailable(() => letters.redrive(request)),
    };
    this.#upkeep = new Upkeep({ link: this.#link, keys: this.#keys, groups, logger, metrics: this.#metrics });
  }

  async open(): Promise<void> {
    await this.#link.settle(openWaitMs);
    this.#upkeep.start();
  }

  async publish(topic: Topic, events: readonly EventEnvelope[]): Promise<void> {
    for (const event of events) {
      checkEvent(event);
      if (event.type !== topic) throw new Error(`an event of ${event.type} does not belong to ${topic}`);
    }
    await this.send(events.map((event) => ({ topic, key: event.key, envelope: JSON.stringify(event) })));
  }

  async send(messages: readonly BusMessage[]): Promise<void> {
    // One after the other: a later part must not be stored when an earlier one was refused.
    for (let at = 0; at < messages.length; at += maxAppend) {
      await this.#append(messages.slice(at, at + maxAppend));
    }
  }

  async #append(messages: readonly BusMessage[]): Promise<void> {
    this.#link.assertWritable();
    const streams = new Map<string, number>();
    const counts = new Map<Topic, number>();
    const entries: (string | number)[] = [];
    for (const { topic, key, envelope } of messages) {
      if (!isTopic(topic)) throw new Error(`no topic is called ${topic}`);
      const stream = this.#keys.stream(topic, partitionOf(key));
      const index = streams.get(stream) ?? streams.size + 1;
      streams.set(stream, index);
      counts.set(topic, (counts.get(topic) ?? 0) + 1);
      entries.push(index, envelope);
    }
    const channels = [...counts.keys()].map((topic) => this.#keys.arrivals(topic));
    await orUnavailable(() =>
      this.#link.writer.busAppend(streams.size, ...streams.keys(), channels.length, ...channels, ...entries),
    );
    for (const [topic, count] of counts) this.#metrics.published.inc({ topic }, count);
  }

  async subscribe(subscription: Subscription): Promise<RunningSubscription> {
    assertDeclared(subscription);
    countFromZero(this.#metrics, subscription);
    const member = await GroupMember.join({
      subscription,
      redis: withScripts(this.#link.connect("reader")),
      signals: this.#link.connect("signals"),
      keys: this.#keys,
      member: newHolder(this.#options.service),
      logger: this.#options.logger,
      metrics: this.#metrics,
      trace: this.#options.trace ?? ((_batch, run) => run()),
    });
    this.#running.add(member);
    this.#upkeep.watch(subscription.group);
    return {
      stop: async () => {
        await member.stop();
        this.#running.delete(member);
      },
    };
  }

  lag(group: string): Promise<GroupLag> {
    return orUnavailable(() => readLag(this.#link.writer, this.#keys, group));
  }

  async close(): Promise<void> {
    await this.#upkeep.stop();
    await Promise.all([...this.#running].map((member) => member.stop()));
    this.#link.close();
  }
}

const orUnavailable = <T>(run: () => Promise<T>) => orBusUnavailable("The event bus", run);
