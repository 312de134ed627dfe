import type { OpenTestBus } from "@payflow/testkit/bus/harness.ts";
import { type KafkaSettings, openKafka } from "../../src/bus/kafka.ts";
import { createLogger } from "../../src/telemetry/logging.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

/** Settings of a bus for tests: few partitions, since each test has topics of its own. */
export function testSettings(KAFKA_BROKERS: string, copies = 1): KafkaSettings {
  return {
    KAFKA_BROKERS,
    KAFKA_TLS: false,
    KAFKA_PARTITIONS: 4,
    KAFKA_REPLICATION: copies,
    KAFKA_RETENTION_HOURS: 1,
    KAFKA_PREFIX: `t${crypto.randomUUID().slice(0, 8)}-`,
    KAFKA_SESSION_TIMEOUT_MS: 3_000,
  };
}

export const openBus: OpenTestBus = (text, service) => {
  const settings: KafkaSettings = JSON.parse(text);
  return openKafka({
    settings,
    service,
    logger: createLogger(service, process.env.LOG_LEVEL ?? "fatal"),
    metrics: new Metrics(service),
  });
};
