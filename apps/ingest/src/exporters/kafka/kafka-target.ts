import { connectionOptions } from "@payflow/service-kit/bus/kafka/client.ts";
import { isAnswer } from "@payflow/service-kit/bus/kafka/errors.ts";
import { KafkaLink } from "@payflow/service-kit/bus/kafka/link.ts";
import { type OutgoingRecord, Sender } from "@payflow/service-kit/bus/kafka/sender.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { KafkaSettings } from "../exporter-settings.ts";

/** The brokers that an exporter sends to. */
export interface KafkaTarget {
  /** Resolves once all in-sync replicas have the records. */
  send(records: readonly OutgoingRecord[]): Promise<void>;
  /** Whether the topic is there, and for this user. Throws while the brokers are away. */
  has(topic: string): Promise<boolean>;
  close(): Promise<void>;
}

export function connectKafkaTarget(settings: KafkaSettings, name: string, logger: Logger): KafkaTarget {
  const { brokers, sasl } = settings;
  const options = connectionOptions({
    brokers,
    name: `payflow-exporter-${name}`,
    tls: settings.tls ?? null,
    login: sasl === undefined ? null : { ...sasl, password: sasl.password ?? "" },
  });
  const sender = new Sender(options, logger);
  const link = new KafkaLink(options);
  return {
    send: (records) => sender.send(records),
    async has(topic) {
      try {
        return (await link.metadata([topic])).topics.has(topic);
      } catch (error) {
        if (isAnswer(error, "UNKNOWN_TOPIC_OR_PARTITION", "TOPIC_AUTHORIZATION_FAILED")) return false;
        // The client's own words for the first of them.
        if (error instanceof Error && error.message.startsWith("Unknown topic")) return false;
        throw error;
      }
    },
    async close() {
      await Promise.all([sender.close(), link.close()]);
    },
  };
}
