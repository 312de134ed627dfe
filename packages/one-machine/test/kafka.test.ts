import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { testKafka } from "@payflow/testkit/kafka.ts";
import { type RunningInstallation, startInstallation } from "../src/installation/start-installation.ts";
import { isPortFree } from "../src/processes/ports.ts";
import { fixturePlatform } from "./fixture/platform.ts";

let one: RunningInstallation;

beforeAll(async () => {
  one = await startInstallation({ platform: fixturePlatform, isDurable: false, bus: "kafka" });
}, 120_000);
afterAll(() => one?.stop(), 60_000);

const broker = () => one.installation.processes().find(({ name }) => name === "kafka");

test("an installation on Kafka starts it and tells its apps where it is and how to come in", async () => {
  expect(broker()?.status).toBe("ready");
  const answer = await fetch(one.url("alpha"));
  // The fixture app answers nothing else.
  const { settings } = (await answer.json()) as { settings: Record<string, string> };
  expect(settings).toMatchObject({
    EVENT_BUS: "kafka",
    KAFKA_BROKERS: `127.0.0.1:${one.installation.ports.kafka}`,
    KAFKA_SASL_MECHANISM: "scram-sha-512",
    KAFKA_SASL_PASSWORD: one.secrets.kafkaPassword,
  });
});

test("Kafka's configuration, which holds a password, is readable by its owner alone, and so is not ps", () => {
  expect(statSync(path.join(one.state, "kafka")).mode & 0o077).toBe(0);
  expect(statSync(path.join(one.state, "kafka/server.properties")).mode & 0o077).toBe(0);
  const command = readFileSync(`/proc/${broker()?.pid}/cmdline`, "utf8");
  expect(command).not.toContain(one.secrets.kafkaPassword);
});

test("a Kafka that was killed comes back on the same data and port", async () => {
  const victim = broker()?.pid ?? 0;
  const cluster = () => readFileSync(path.join(one.state, "kafka/data/meta.properties"), "utf8");
  const before = cluster();
  process.kill(victim, "SIGKILL");
  await eventually(() => broker()?.status === "ready" && broker()?.pid !== victim, { timeoutMs: 60_000 });
  expect(cluster()).toBe(before);
}, 70_000);

test("three servers make one cluster, which takes a killed one in again", async () => {
  const kafka = await testKafka({ brokers: 3 });
  const [victim] = kafka.servers;
  await victim?.stop();
  await eventually(() => isPortFree(Number(victim?.address.split(":")[1])));
  await victim?.start();
  expect(victim?.pid).not.toBeNull();
  await kafka.close();
  expect(kafka.servers.map(({ pid }) => pid)).toEqual([null, null, null]);
}, 120_000);
