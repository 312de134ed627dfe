import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { testEvents, testKeys } from "@payflow/testkit/bus/events.ts";
import { record } from "@payflow/testkit/bus/space.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type KafkaSecurity, type TestKafka, testKafka } from "@payflow/testkit/kafka.ts";
import { type KafkaSettings, openKafka } from "../../src/bus/kafka.ts";
import { createLogger } from "../../src/telemetry/logging.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { testSettings } from "./kafka-adapter.ts";

setDefaultTimeout(60_000);

let kafka: TestKafka;
let security: KafkaSecurity;

beforeAll(async () => {
  kafka = await testKafka({ isSecured: true });
  if (kafka.security === null) throw new Error("the broker has no other listeners");
  security = kafka.security;
});
afterAll(() => kafka.close());

function open(settings: Partial<KafkaSettings>, lines: string[] = []) {
  return openKafka({
    settings: { ...testSettings(kafka.brokers), ...settings },
    service: "test",
    logger: createLogger("test", "warn", { write: (line) => lines.push(line) }),
    metrics: new Metrics("test"),
  });
}

const authority = () => ({ KAFKA_TLS_CA_FILE: security.certificates.authority });
const certificate = () => ({
  KAFKA_TLS_CERT_FILE: security.certificates.clientCertificate,
  KAFKA_TLS_KEY_FILE: security.certificates.clientKey,
});
const login = () => ({
  KAFKA_SASL_MECHANISM: "scram-sha-512" as const,
  KAFKA_SASL_USERNAME: security.login.username,
  KAFKA_SASL_PASSWORD: security.login.password,
});

test.each([
  ["TLS", () => ({ KAFKA_BROKERS: security.tls, ...authority() })],
  ["TLS in both directions", () => ({ KAFKA_BROKERS: security.mtls, ...authority(), ...certificate() })],
  ["SCRAM over TLS", () => ({ KAFKA_BROKERS: security.scramTls, ...authority(), ...login() })],
  ["SCRAM alone", () => ({ KAFKA_BROKERS: security.scram, ...login() })],
] as const)("events go and come by %s", async (_name, settings) => {
  const bus = await open(settings());
  try {
    // A busy machine may take longer than a start waits for the topics.
    await eventually(() => bus.send([]).then(() => true), { timeoutMs: 40_000 });
    const { events } = await record(bus, "ledger", ["payment.settled"]);
    await bus.publish("payment.settled", testEvents("payment.settled", testKeys(5), 4));
    await eventually(() => events.length >= 20);
    await eventually(async () => (await bus.lag("ledger")).events === 0);
  } finally {
    await bus.close();
  }
});

test("a wrong password and an unknown authority are told by their settings, and nobody gets in without a certificate", async () => {
  const wrong = { ...login(), KAFKA_SASL_PASSWORD: "of another user" };
  await expect(open({ KAFKA_BROKERS: security.scram, ...wrong })).rejects.toThrow("Kafka refuses this login");
  await expect(open({ KAFKA_BROKERS: security.tls, KAFKA_TLS: true })).rejects.toThrow("KAFKA_TLS");
  const lines: string[] = [];
  const outside = await open({ KAFKA_BROKERS: security.mtls, ...authority() }, lines);
  const sent = outside.publish("payment.settled", testEvents("payment.settled", testKeys(1), 1));
  await expect(sent).rejects.toThrow("unavailable");
  await eventually(() => lines.join().includes("set KAFKA_TLS_CERT_FILE"));
  await outside.close();
});
