import { isKafkaOutage } from "@payflow/service-kit/bus/kafka/errors.ts";
import { isTransient } from "@payflow/service-kit/store/database.ts";
import type { HeldPartition, PartitionConsumer } from "@payflow/service-kit/streams/consumer.ts";
import { eachBatch } from "@payflow/service-kit/streams/each-batch.ts";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import { merchantKey } from "@payflow/service-kit/streams/keys.ts";
import type { KafkaExporter } from "../exporter-settings.ts";
import { readRow, rowText } from "../row.ts";
import type { KafkaTarget } from "./kafka-target.ts";

export interface KafkaConsumer {
  readonly settings: KafkaExporter;
  readonly target: KafkaTarget;
  readonly onTrouble: (error: unknown) => void;
  /** Told how many records Kafka has taken. */
  readonly onStored: (rows: number) => void;
}

/** A tenant's own topic is not there, or not for this user. */
class TopicRefused extends Error {
  override readonly name = "TopicRefused";
}

/**
 * Sends events to Kafka, each merchant's in their order: at least once, with `stream_id` to tell repeats by.
 * While Kafka is away they wait, without limit. A tenant's own topic that is not there holds nobody up: its
 * events become dead letters, to be redriven once it is.
 */
export function kafkaConsumer(deps: KafkaConsumer): (partition: HeldPartition) => PartitionConsumer {
  const { settings, target, onTrouble, onStored } = deps;
  const topicOf = ({ tenantId }: StreamEntry) =>
    settings.tenants?.[tenantId]?.topic ?? settings.settings.topic;
  const send = async (entries: readonly StreamEntry[]) => {
    const records = entries.map((entry) => ({
      topic: topicOf(entry),
      key: merchantKey(entry.tenantId, entry.mode, entry.merchant),
      value: rowText(readRow(entry)),
    }));
    for (const topic of new Set(records.map((record) => record.topic))) {
      if (topic === settings.settings.topic || (await target.has(topic))) continue;
      // Before anything is sent: the batch is taken apart, and its other events go by themselves.
      throw new TopicRefused(`Kafka has no topic ${topic} for this user`);
    }
    await target.send(records);
    onStored(records.length);
  };
  return eachBatch(
    async (entries) => {
      try {
        await send(entries);
        onTrouble(null);
      } catch (error) {
        onTrouble(error);
        throw error;
      }
    },
    { isTransient: (error) => isKafkaOutage(error) || isTransient(error) },
  );
}
