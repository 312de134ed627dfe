import { afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { unavailable } from "@payflow/contracts/errors.ts";
import { testEvent, testEvents, testKeys } from "@payflow/testkit/bus/events.ts";
import { record } from "@payflow/testkit/bus/space.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { sharedTestKafka } from "@payflow/testkit/kafka.ts";
import { Admin } from "@platformatic/kafka";
import type { BatchProgress, EventBus, Subscription } from "../../src/bus/bus.ts";
import { type KafkaSettings, openKafka } from "../../src/bus/kafka.ts";
import { isTransient } from "../../src/store/database.ts";
import { createLogger } from "../../src/telemetry/logging.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { testSettings } from "./kafka-adapter.ts";

setDefaultTimeout(60_000);

const topic = "payment.settled";
let brokers: string;
let endings: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  brokers = await sharedTestKafka();
});
afterEach(async () => {
  for (const end of endings.reverse()) await end();
  endings = [];
});

async function withAdmin<T>(run: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: "test", bootstrapBrokers: brokers.split(",") });
  try {
    return await run(admin);
  } finally {
    await admin.close();
  }
}

/** Settings of a bus whose topics are gone after the test. */
function settings(changes: Partial<KafkaSettings> = {}): KafkaSettings {
  const made = { ...testSettings(brokers), ...changes };
  endings.push(() =>
    withAdmin(async (admin) => {
      const own = (await admin.listTopics()).filter((name) => name.startsWith(made.KAFKA_PREFIX ?? ""));
      if (own.length > 0) await admin.deleteTopics({ topics: own });
    }),
  );
  return made;
}

async function open(
  made: KafkaSettings,
  warn: string[] = [],
  metrics = new Metrics("test"),
): Promise<EventBus> {
  const logger = createLogger("test", "fatal");
  logger.warn = (_about: unknown, text?: unknown) => void warn.push(String(text));
  const bus = await openKafka({ settings: made, service: "test", logger, metrics });
  endings.push(() => bus.close());
  // A busy machine may take longer than a start waits for the topics.
  await eventually(() => bus.send([]).then(() => true), { timeoutMs: 40_000 });
  return bus;
}

interface Seen {
  readonly sequences: (number | null)[];
  readonly progress: BatchProgress;
}

async function follow(bus: EventBus, more: Partial<Subscription> = {}) {
  const seen: Seen[] = [];
  const subscription = await bus.subscribe({
    ...{ group: "ledger", topics: [topic], maxBatch: 3 },
    async handle(_topic, events, progress) {
      if (progress === undefined) throw new Error("Kafka tells the progress");
      seen.push({ sequences: events.map((event) => event.sequence), progress });
    },
    ...more,
  });
  return { seen, subscription };
}

test("a handler learns how far each batch brings its partition, without gaps", async () => {
  const bus = await open(settings());
  const { seen } = await follow(bus);
  await bus.publish(topic, testEvents(topic, testKeys(20), 5));
  await eventually(() => seen.reduce((sum, { sequences }) => sum + sequences.length, 0) === 100);
  const byPartition = Map.groupBy(seen, ({ progress }) => progress.partition);
  expect(byPartition.size).toBeGreaterThan(1);
  for (const batches of byPartition.values()) {
    let next = 0;
    for (const { progress, sequences } of batches) {
      expect(progress.first).toBe(next);
      expect(progress.last).toBe(next + sequences.length - 1);
      expect(progress.next).toBe(progress.last + 1);
      next = progress.next;
    }
  }
  expect(new Set(seen.map(({ progress }) => progress.log)).size).toBe(1);
});

test("a group goes on where its own database says, before or after what Kafka knows", async () => {
  const made = settings();
  const bus = await open(made);
  const [key = ""] = testKeys(1);
  const first = await follow(bus);
  await bus.publish(topic, testEvents(topic, [key], 9));
  await eventually(async () => (await bus.lag("ledger")).events === 0);
  const { log = "", partition = 0 } = first.seen[0]?.progress ?? {};
  await first.subscription.stop();
  const resumed: string[] = [];
  const resumeFrom = (next: number) => async (_topic: string, asked: string) => {
    resumed.push(asked);
    return new Map([[partition, next]]);
  };
  // As after a restore of the database.
  const earlier = await follow(bus, { resumeFrom: resumeFrom(4) });
  await eventually(() => earlier.seen.flatMap(({ sequences }) => sequences).length === 5);
  expect(earlier.seen.flatMap(({ sequences }) => sequences)).toEqual([5, 6, 7, 8, 9]);
  await earlier.subscription.stop();
  await bus.publish(
    topic,
    [10, 11, 12].map((sequence) => testEvent(topic, key, sequence)),
  );
  // As when the last commit to Kafka was lost.
  const later = await follow(bus, { resumeFrom: resumeFrom(11) });
  await eventually(() => later.seen.length > 0);
  expect(later.seen.flatMap(({ sequences }) => sequences)).toEqual([12]);
  expect(new Set(resumed)).toEqual(new Set([log]));
});

test("a handler that cannot keep up pauses its partitions, as a metric shows, and loses nothing", async () => {
  const metrics = new Metrics("test");
  const bus = await open(settings(), [], metrics);
  const paused = async () => {
    const text = await metrics.text();
    const lines = [...text.matchAll(/^payflow_bus_paused_partitions_count\{.*\} (.*)$/gm)];
    return lines.map(([, count]) => Number(count));
  };
  const mayGoOn = Promise.withResolvers<void>();
  let calls = 0;
  let handled = 0;
  await bus.subscribe({
    ...{ group: "ledger", topics: [topic], maxBatch: 5 },
    async handle(_topic, events) {
      calls += 1;
      await mayGoOn.promise;
      handled += events.length;
    },
  });
  await bus.publish(topic, testEvents(topic, testKeys(40), 10));
  await eventually(async () => (await paused())[0] === 4, { timeoutMs: 30_000 });
  // One batch of each partition is under way, and the handler is not asked for a second one.
  expect(calls).toBe(4);
  mayGoOn.resolve();
  await eventually(() => handled === 400);
  await eventually(async () => (await paused())[0] === 0);
  await eventually(async () => (await bus.lag("ledger")).events === 0);
});

test("where the group's database is away its partitions wait for it", async () => {
  const bus = await open(settings());
  await bus.publish(topic, testEvents(topic, testKeys(1), 3));
  let asked = 0;
  const { seen } = await follow(bus, {
    async resumeFrom() {
      asked += 1;
      if (asked < 4) throw unavailable("The database");
      return new Map();
    },
  });
  await eventually(() => seen.length > 0);
  expect(asked).toBe(4);
});

test("of dead letters at a partition's end a group is told until it has stored that", async () => {
  const bus = await open(settings({ KAFKA_PARTITIONS: 1 }));
  const asked: number[] = [];
  const { seen } = await follow(bus, {
    async handle() {
      throw new Error("cannot be booked");
    },
    async keepProgress(_topic, { partition, next }) {
      asked.push(next);
      expect(partition).toBe(0);
      // Until it knows, the group's position in Kafka does not pass them.
      expect((await bus.lag("ledger")).events).toBe(2);
      if (asked.length < 3) throw unavailable("The database");
    },
  });
  await bus.publish(topic, testEvents(topic, testKeys(1), 2));
  await eventually(async () => (await bus.lag("ledger")).events === 0);
  expect([asked, seen]).toEqual([[2, 2, 2], []]);
});

test("progress stays behind an event that still has tries to come", async () => {
  const bus = await open(settings());
  const [key = "", other = ""] = testKeys(2);
  // With one partition both keys are in it.
  const one = await open(settings({ KAFKA_PARTITIONS: 1 }));
  const seen: Seen[] = [];
  await follow(one, {
    maxBatch: 10,
    async handle(_topic, events, progress) {
      if (events.some((event) => event.key === key)) throw new Error("cannot be booked");
      if (progress !== undefined) seen.push({ sequences: [], progress });
    },
  });
  await one.publish(topic, [testEvent(topic, key, 1), testEvent(topic, other, 1)]);
  await eventually(async () => (await one.lag("ledger")).events === 0);
  expect(seen.map(({ progress }) => [progress.first, progress.next])).toEqual([[1, 0]]);
  await one.publish(topic, [testEvent(topic, other, 2)]);
  await eventually(() => seen.at(-1)?.progress.next === 3);
  expect((await bus.lag("ledger")).events).toBe(0);
});

test("topics are made with what the settings say, dead letters too", async () => {
  const made = settings({ KAFKA_PARTITIONS: 3, KAFKA_RETENTION_HOURS: 5 });
  await open(made);
  const name = `${made.KAFKA_PREFIX}${topic}`;
  const { topics, configs } = await withAdmin(async (admin) => ({
    topics: (await admin.metadata({ topics: [name, `${name}.dlq`] })).topics,
    configs: await admin.describeConfigs({
      resources: [name, `${name}.dlq`].map((resourceName) => ({ resourceType: 2, resourceName })),
    }),
  }));
  expect([...topics.values()].map(({ partitionsCount }) => partitionsCount)).toEqual([3, 1]);
  const config = (of: string, key: string) =>
    configs.find(({ resourceName }) => resourceName === of)?.configs.find((one) => one.name === key)?.value;
  expect(config(name, "retention.ms")).toBe("18000000");
  expect(config(name, "cleanup.policy")).toBe("delete");
  expect(config(`${name}.dlq`, "cleanup.policy")).toBe("compact,delete");
});

test("an existing topic that would lose events is refused by name, another number of partitions is not", async () => {
  const made = settings();
  const name = `${made.KAFKA_PREFIX}${topic}`;
  await withAdmin((admin) => admin.createTopics({ topics: [name], partitions: 2, replicas: 1 }));
  const warned: string[] = [];
  const bus = await open(made, warned);
  expect(warned.join()).toContain("another number of partitions");
  const { events } = await record(bus, "ledger", [topic]);
  await bus.publish(topic, testEvents(topic, testKeys(8), 2));
  await eventually(() => events.length === 16);

  const losing = settings();
  const configs = [{ name: "cleanup.policy", value: "compact" }];
  const other = `${losing.KAFKA_PREFIX}${topic}`;
  await withAdmin((admin) => admin.createTopics({ topics: [other], partitions: 4, replicas: 1, configs }));
  await expect(open(losing)).rejects.toThrow(`${other}: set cleanup.policy to delete`);
});

test("a group that comes near the end of the time that Kafka keeps events is warned of, and seen in a metric", async () => {
  const made = settings();
  const name = `${made.KAFKA_PREFIX}${topic}`;
  const configs = [{ name: "retention.ms", value: "6000" }];
  await withAdmin((admin) => admin.createTopics({ topics: [name], partitions: 1, replicas: 1, configs }));
  const lines: string[] = [];
  const metrics = new Metrics("test");
  const logger = createLogger("test", "error", { write: (line) => lines.push(line) });
  const bus = await openKafka({ settings: made, service: "test", logger, metrics });
  endings.push(() => bus.close());
  await eventually(() => bus.send([]).then(() => true));
  const mayGoOn = Promise.withResolvers<void>();
  await follow(bus, { handle: () => mayGoOn.promise });
  await bus.publish(topic, testEvents(topic, testKeys(1), 1));
  const share = async () => {
    const [, value] =
      /^payflow_bus_retention_ratio\{.*payment\.settled.*\} (.*)$/m.exec(await metrics.text()) ?? [];
    return Number(value);
  };
  await eventually(async () => (await share()) > 0.5, { timeoutMs: 40_000 });
  expect(lines.join()).toContain("Kafka may soon drop events it has not read");
  mayGoOn.resolve();
  await eventually(async () => (await share()) === 0, { timeoutMs: 40_000 });
});

test("more copies than there are brokers is a wrong setting", async () => {
  await expect(open(settings({ KAFKA_REPLICATION: 3 }))).rejects.toThrow("KAFKA_REPLICATION is 3");
});

test("what no broker takes is refused for itself, and the next send goes through", async () => {
  const bus = await open(settings());
  // Such a text does not pack, and no broker takes more than a megabyte at once.
  const random = () => Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))).toString("base64");
  const envelope = Array.from({ length: 30 }, random).join("");
  const refusal = await bus.send([{ topic, key: "pay_1", envelope }]).then(
    () => null,
    (error: unknown) => error,
  );
  expect(refusal).not.toBeNull();
  expect(isTransient(refusal)).toBe(false);
  const [key = ""] = testKeys(1);
  await bus.publish(topic, [testEvent(topic, key, 1)]);
});
