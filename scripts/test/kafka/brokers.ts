import { consumerGroups, type EventEnvelope, type Topic, topics } from "@payflow/contracts/events.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { clientOptions } from "@payflow/service-kit/bus/kafka/client.ts";
import { readLag } from "@payflow/service-kit/bus/kafka/lag.ts";
import { KafkaLink } from "@payflow/service-kit/bus/kafka/link.ts";
import { kafkaNames } from "@payflow/service-kit/bus/kafka/names.ts";
import { listOffsets } from "@payflow/service-kit/bus/kafka/positions.ts";
import { fetchRecords, nextOffset, recordsOf } from "@payflow/service-kit/bus/kafka/records.ts";
import { type TestKafka, type TestKafkaServer, testKafka } from "@payflow/testkit/kafka.ts";

const names = kafkaNames("");

/** An event, and when its broker stored it, in milliseconds since 1970. */
export interface StoredEvent {
  readonly event: EventEnvelope;
  readonly storedMs: number;
}

/** Three brokers, and an installation of two replicas of every app whose bus they carry. */
export class ThreeBrokers {
  readonly #link: KafkaLink;

  private constructor(
    readonly kafka: TestKafka,
    readonly installation: RunningInstallation,
  ) {
    this.#link = new KafkaLink(clientOptions({ KAFKA_BROKERS: kafka.brokers, KAFKA_TLS: false }, "test"));
  }

  static async start(): Promise<ThreeBrokers> {
    const kafka = await testKafka({ brokers: 3 });
    try {
      const installation = await startInstallation({
        isDurable: false,
        replicas: 2,
        env: {
          EVENT_BUS: "kafka",
          KAFKA_BROKERS: kafka.brokers,
          KAFKA_PARTITIONS: "6",
          KAFKA_SESSION_TIMEOUT_MS: "3500",
          INQUIRY_FIRST_MS: "1000",
          INQUIRY_MAX_MS: "2000",
        },
      });
      return new ThreeBrokers(kafka, installation);
    } catch (error) {
      await kafka.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#link.close();
    await this.installation.stop();
    await this.kafka.close();
  }

  /** The broker that leads most partitions of a topic. */
  async leader(topic: Topic): Promise<TestKafkaServer> {
    const metadata = await this.#link.metadata([names.topic(topic)], true);
    const leaders = metadata.topics.get(names.topic(topic))?.partitions ?? [];
    const counts = Map.groupBy(leaders, ({ leader }) => leader);
    const [most] = [...counts].sort(([, left], [, right]) => right.length - left.length);
    const found = this.kafka.servers.find(({ nodeId }) => nodeId === most?.[0]);
    if (found === undefined) throw new Error(`nobody leads ${topic}`);
    return found;
  }

  /** Events that no group of the installed apps has acknowledged yet, by group. */
  async lags(): Promise<Record<string, number>> {
    const lags = await Promise.all(
      Object.keys(consumerGroups).map(async (group) => {
        const { events } = await readLag(this.#link, names, group);
        return [group, events] as const;
      }),
    );
    return Object.fromEntries(lags);
  }

  /** Events that stand in their topic behind a later one of their payment; none, where order was kept. */
  async outOfOrder(): Promise<string[]> {
    const wrong: string[] = [];
    for (const topic of topics) {
      const latest = new Map<string, number>();
      const seen = new Set<string>();
      for (const { event } of await this.eventsOf(topic)) {
        const { event_id, key, sequence } = event;
        if (sequence === null || seen.has(event_id)) continue;
        seen.add(event_id);
        const last = latest.get(key) ?? 0;
        if (sequence < last) wrong.push(`${topic} of ${key}: ${sequence} after ${last}`);
        latest.set(key, sequence);
      }
    }
    return wrong;
  }

  /** All events of a topic, by partition in the order of their offsets. */
  async eventsOf(topic: Topic): Promise<StoredEvent[]> {
    const kafkaTopic = names.topic(topic);
    const { topics: known, brokers } = await this.#link.metadata([kafkaTopic], true);
    const { id = "", partitions = [] } = known.get(kafkaTopic) ?? {};
    const numbers = [...partitions.keys()];
    const ends = await listOffsets(this.#link, kafkaTopic, numbers, "end");
    const events: StoredEvent[] = [];
    for (const partition of numbers) {
      const broker = brokers.get(partitions[partition]?.leader ?? -1);
      for (let from = 0; from < (ends.get(partition) ?? 0); ) {
        const order = { partition, from, maxBytes: 4 * 1024 * 1024 };
        const [found] = await fetchRecords(this.#link, {
          ...{ broker, maxWaitMs: 500 },
          topics: new Map([[id, [order]]]),
        });
        const batches = found?.batches ?? [];
        // The bus checked each event before it was sent.
        for (const { value, timestampMs } of recordsOf(batches, from))
          events.push({ event: JSON.parse(value ?? "") as EventEnvelope, storedMs: timestampMs });
        from = nextOffset(batches, from);
      }
    }
    return events;
  }
}
