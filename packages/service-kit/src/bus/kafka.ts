import { unavailable } from "@payflow/contracts/errors.ts";
import { checkEvent, type EventEnvelope, type Topic } from "@payflow/contracts/events.ts";
import type { BaseOptions } from "@platformatic/kafka";
import { pause } from "../concurrency/retry.ts";
import { ConfigError } from "../process/config.ts";
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
import { awayWords, clientOptions, type KafkaAddress, refusedLogin } from "./kafka/client.ts";
import { KafkaDeadLetters } from "./kafka/dead-letters.ts";
import { isKafkaOutage, orUnavailable } from "./kafka/errors.ts";
import { GroupMember } from "./kafka/group/group-member.ts";
import { RetentionWatch } from "./kafka/group/retention-watch.ts";
import { readLag } from "./kafka/lag.ts";
import { KafkaLink } from "./kafka/link.ts";
import { kafkaNames, type Names } from "./kafka/names.ts";
import { Sender } from "./kafka/sender.ts";
import { isMadeMeanwhile, type KafkaTopicSettings, prepareTopics, TooFewBrokers } from "./kafka/topics.ts";

export interface KafkaSettings extends KafkaAddress, KafkaTopicSettings {
  /** Begins the name of every topic and group; two installations on one cluster need two. */
  readonly KAFKA_PREFIX?: string | undefined;
  readonly KAFKA_SESSION_TIMEOUT_MS: number;
}

export interface KafkaOptions {
  readonly settings: KafkaSettings;
  /** The service, for the names of connections. */
  readonly service: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly trace?: BatchTrace;
}

/** How long opening waits for brokers that are away before the service starts without them. */
const openWaitMs = 3_000;
const lagEveryMs = 5_000;

/**
 * The bus on Kafka: a topic is one of Kafka's, divided by the events' keys, and a group is one of Kafka's
 * too. Throws `ConfigError` when the settings or the topics are not fit to keep events; with the brokers away
 * it resolves, and works once they are back.
 */
export async function openKafka(options: KafkaOptions): Promise<EventBus> {
  const bus = new Kafka(options, clientOptions(options.settings, options.service));
  try {
    await bus.open();
  } catch (error) {
    await bus.close();
    throw error;
  }
  return bus;
}

class Kafka implements EventBus {
  readonly deadLetters: DeadLetters;
  readonly #options: KafkaOptions;
  readonly #client: BaseOptions;
  readonly #names: Names;
  readonly #link: KafkaLink;
  readonly #sender: Sender;
  readonly #letters: KafkaDeadLetters;
  readonly #metrics: BusMetrics;
  readonly #running = new Set<GroupMember>();
  readonly #watched = new Set<string>();
  readonly #stopping = new AbortController();
  #upkeep: Promise<unknown> = Promise.resolve();
  #isOpening = true;
  #isPrepared = false;
  #isToldAway = false;
  #retention: RetentionWatch | null = null;
  #unfit: ConfigError | null = null;

  constructor(options: KafkaOptions, client: BaseOptions) {
    this.#options = options;
    this.#client = client;
    this.#names = kafkaNames(options.settings.KAFKA_PREFIX ?? "");
    this.#link = new KafkaLink(client);
    this.#sender = new Sender(client, options.logger);
    this.#metrics = busMetrics(options.metrics);
    this.#letters = new KafkaDeadLetters(this.#link, this.#sender, this.#names);
    this.deadLetters = {
      list: (query) => orUnavailable(() => this.#letters.list(query)),
      redrive: (request) => orUnavailable(() => this.#letters.redrive(request)),
    };
  }

  async open(): Promise<void> {
    const prepared = this.#prepare();
    this.#upkeep = Promise.all([prepared, this.#observeLag()]);
    await Promise.race([prepared, pause(openWaitMs, this.#stopping.signal)]);
    this.#isOpening = false;
    if (this.#unfit !== null) throw this.#unfit;
  }

  async publish(topic: Topic, events: readonly EventEnvelope[]): Promise<void> {
    for (const event of events) {
      checkEvent(event);
      if (event.type !== topic) throw new Error(`an event of ${event.type} does not belong to ${topic}`);
    }
    await this.send(events.map((event) => ({ topic, key: event.key, envelope: JSON.stringify(event) })));
  }

  async send(messages: readonly BusMessage[]): Promise<void> {
    if (!this.#isPrepared) throw unavailable("The event bus", 1, this.#unfit);
    const counts = new Map<Topic, number>();
    const records = messages.map(({ topic, key, envelope: value }) => {
      if (!isTopic(topic)) throw new Error(`no topic is called ${topic}`);
      counts.set(topic, (counts.get(topic) ?? 0) + 1);
      return { topic: this.#names.topic(topic), key, value };
    });
    await orUnavailable(() => this.#sender.send(records));
    for (const [topic, count] of counts) this.#metrics.published.inc({ topic }, count);
  }

  async subscribe(subscription: Subscription): Promise<RunningSubscription> {
    assertDeclared(subscription);
    countFromZero(this.#metrics, subscription);
    const { logger, settings, trace = (_batch, run) => run() } = this.#options;
    const member = new GroupMember({
      client: this.#client,
      link: this.#link,
      names: this.#names,
      subscription,
      sessionMs: settings.KAFKA_SESSION_TIMEOUT_MS,
      bury: (topic, from, letter) => this.#letters.bury(topic, from, letter),
      metrics: this.#metrics,
      logger,
      trace,
    });
    this.#running.add(member);
    this.#watched.add(subscription.group);
    return {
      stop: async () => {
        await member.stop();
        this.#running.delete(member);
      },
    };
  }

  lag(group: string): Promise<GroupLag> {
    return orUnavailable(() => readLag(this.#link, this.#names, group));
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#running].map((member) => member.stop()));
    await this.#link.close();
    await this.#sender.close();
    await this.#upkeep;
  }

  /** Makes and checks the topics, however long the brokers are away. */
  async #prepare(): Promise<void> {
    const { logger, settings } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && !this.#isPrepared) {
      try {
        const retentions = await prepareTopics(this.#link, this.#names, settings, logger);
        this.#retention = new RetentionWatch(retentions, this.#metrics, logger);
        await this.#sender.prepare();
        this.#unfit = null;
        this.#isPrepared = true;
        return;
      } catch (thrown) {
        if (isMadeMeanwhile(thrown)) continue;
        const error = refusedLogin(thrown) ?? thrown;
        if (error instanceof ConfigError) {
          this.#unfit = error;
          // The service that is about to start says this itself, and ends.
          if (this.#isOpening && !(error instanceof TooFewBrokers)) return;
        }
        if (!isKafkaOutage(error)) logger.error({ err: error }, "Kafka cannot carry the bus");
        else if (!this.#isToldAway) logger.warn({ err: error }, awayWords(error, this.#client));
        this.#isToldAway = true;
        await pause(300, signal);
      }
    }
  }

  async #observeLag(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      for (const group of this.#watched) {
        try {
          const lag = await readLag(this.#link, this.#names, group);
          for (const one of lag.topics) {
            this.#metrics.lagEvents.set({ group, topic: one.topic }, one.events);
            this.#metrics.lagSeconds.set({ group, topic: one.topic }, one.seconds);
            this.#retention?.observe(group, one);
          }
        } catch (error) {
          if (!isKafkaOutage(error)) this.#options.logger.error({ err: error }, "lag could not be read");
        }
      }
      await pause(lagEveryMs, signal);
    }
  }
}
