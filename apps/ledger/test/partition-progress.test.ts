import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import type { BatchProgress, EventBus } from "@payflow/service-kit/bus/bus.ts";
import { type Consumers, subscribeGroup } from "@payflow/service-kit/bus/consumers.ts";
import { clientOptions } from "@payflow/service-kit/bus/kafka/client.ts";
import { KafkaLink } from "@payflow/service-kit/bus/kafka/link.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { errorCode } from "@payflow/service-kit/store/database.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { sharedTestKafka } from "@payflow/testkit/kafka.ts";
import { createJournalStore } from "../src/journal/journal.store.ts";
import {
  type LedgerDatabase,
  ledgerDatabase,
  logger,
  newOwner,
  type Owner,
  paymentSettled,
  replica,
} from "./fixture/ledger.ts";

setDefaultTimeout(60_000);

let database: LedgerDatabase;
let brokers: string;
beforeAll(async () => {
  [database, brokers] = await Promise.all([ledgerDatabase(), sharedTestKafka()]);
}, 90_000);
afterAll(() => database.close());

const topic = "payment.settled";
const place = (change: Partial<BatchProgress> = {}): BatchProgress => ({
  ...{ log: "log-1", partition: 3, first: 10, last: 11, next: 12 },
  ...change,
});

test("a batch leaves where its partition goes on, for its log alone, in the transaction of its movements", async () => {
  const { handlers } = replica(database.sql);
  const { nextOffsets } = createJournalStore(database.sql);
  const owner = newOwner();
  await handlers[topic]([paymentSettled(owner), paymentSettled(owner)], place());
  await handlers[topic]([paymentSettled(owner)], place({ partition: 4, next: 9 }));
  expect(await nextOffsets(topic, "log-1")).toEqual(
    new Map([
      [3, 12],
      [4, 9],
    ]),
  );
  expect(await nextOffsets(topic, "log-2")).toEqual(new Map());
  expect(await nextOffsets("refund.settled", "log-1")).toEqual(new Map());

  const refused = [paymentSettled(owner), paymentSettled(owner, { captured: 1_000_000_000_000 })];
  const error = await handlers[topic](refused, place({ next: 14 })).catch((thrown: unknown) => thrown);
  expect(errorCode(error)).toBe("23514");
  expect((await nextOffsets(topic, "log-1")).get(3)).toBe(12);
  // A log that has lost its end goes on at smaller offsets.
  await handlers[topic]([paymentSettled(owner)], place({ next: 5 }));
  expect((await nextOffsets(topic, "log-1")).get(3)).toBe(5);
});

test("where a partition goes on behind events that were given up is kept without a booking", async () => {
  const { keepProgress, nextOffsets } = createJournalStore(database.sql);
  await keepProgress(topic, { log: "log-3", partition: 1, next: 7 });
  await keepProgress(topic, { log: "log-3", partition: 1, next: 8 });
  expect(await nextOffsets(topic, "log-3")).toEqual(new Map([[1, 8]]));
});

test("an event that cannot be booked, the last of its partition, is tried five times and then never again", async () => {
  const prefix = `ledger-${randomBytes(4).toString("hex")}.`;
  const owner = newOwner();
  // More than one movement may be of.
  const poison = paymentSettled(owner, { captured: 1_000_000_000_000 });
  const first = await openLedger(prefix);
  await first.bus.publish(topic, [poison]);
  const letters = async (bus: EventBus) =>
    (await bus.deadLetters.list({ group: "ledger", limit: 10 })).letters;
  await eventually(async () => (await letters(first.bus)).length === 1, { timeoutMs: 40_000 });
  await eventually(async () => (await first.bus.lag("ledger")).events === 0);
  await first.bus.close();

  const second = await openLedger(prefix);
  await second.bus.publish(topic, [paymentSettled(owner, { paymentId: poison.key, captured: 7 })]);
  await booked(owner, 1);
  expect(second.read.map(({ event_id }) => event_id)).not.toContain(poison.event_id);
  expect(await letters(second.bus)).toHaveLength(1);
  await second.bus.close();
});

test("a group whose position Kafka has lost goes on where the journal is: nothing is read or booked again", async () => {
  const prefix = `ledger-${randomBytes(4).toString("hex")}.`;
  const owner = newOwner();
  const first = await openLedger(prefix);
  await first.bus.publish(topic, events(owner, 60));
  await booked(owner, 60);
  await eventually(async () => (await first.bus.lag("ledger")).events === 0);
  await first.bus.close();
  await forgetGroup(`${prefix}ledger`);

  const second = await openLedger(prefix);
  await second.bus.publish(topic, events(owner, 20));
  await booked(owner, 80);
  await eventually(async () => (await second.bus.lag("ledger")).events === 0);
  expect(second.read).toHaveLength(20);
  await second.bus.close();
});

test("a database that was restored to an earlier state has what it lost booked again", async () => {
  const prefix = `ledger-${randomBytes(4).toString("hex")}.`;
  const owner = newOwner();
  const first = await openLedger(prefix);
  await first.bus.publish(topic, events(owner, 30));
  await booked(owner, 30);
  await eventually(async () => (await first.bus.lag("ledger")).events === 0);
  const saved = await database.admin`select * from partition_progress`;
  await first.bus.publish(topic, events(owner, 30));
  await booked(owner, 60);
  await first.bus.close();
  for (const row of saved) {
    await database.admin`update partition_progress set next_offset = ${row.next_offset}
      where topic = ${row.topic} and log = ${row.log} and partition = ${row.partition}`;
  }

  const second = await openLedger(prefix);
  await eventually(() => second.read.length >= 30);
  await eventually(async () => (await second.bus.lag("ledger")).events === 0);
  expect(new Set(second.read.map(({ event_id }) => event_id)).size).toBe(30);
  await booked(owner, 60);
  await second.bus.close();
});

/** The ledger's group as its process has it, with what was handed to it. */
async function openLedger(prefix: string) {
  const settings = { EVENT_BUS: "kafka", KAFKA_BROKERS: brokers, KAFKA_PREFIX: prefix } as const;
  const sizes = { KAFKA_PARTITIONS: 4, KAFKA_REPLICATION: 1, KAFKA_RETENTION_HOURS: 1 };
  const bus: EventBus = await openEventBus(
    { ...settings, ...sizes, KAFKA_TLS: false, KAFKA_SESSION_TIMEOUT_MS: 6_000 },
    { service: "ledger", logger, metrics: new Metrics("ledger-test") },
  );
  // A busy machine may take longer than an app's start waits for the topics.
  await eventually(() => bus.send([]).then(() => true), { timeoutMs: 40_000 });
  const { handlers } = replica(database.sql);
  const journal = createJournalStore(database.sql);
  const read: EventEnvelope[] = [];
  const consumers: Consumers<"ledger"> = {
    ...handlers,
    [topic]: async (batch, progress) => {
      read.push(...batch);
      await handlers[topic](batch, progress);
    },
  };
  await subscribeGroup(bus, {
    group: "ledger",
    maxBatch: 500,
    consumers,
    resumeFrom: (name, log) => journal.nextOffsets(name, log),
    keepProgress: (name, place) => journal.keepProgress(name, place),
  });
  return { bus, read };
}

function events(owner: Owner, count: number) {
  return Array.from({ length: count }, () => paymentSettled(owner, { captured: 7 }));
}

async function booked({ tenantId }: Owner, count: number): Promise<void> {
  await eventually(
    async () => {
      const rows = await database.sql`select 1 from transfer where tenant_id = ${tenantId}`;
      expect(rows.length).toBe(count);
    },
    { timeoutMs: 40_000 },
  );
}

async function forgetGroup(group: string): Promise<void> {
  const link = new KafkaLink(clientOptions({ KAFKA_BROKERS: brokers, KAFKA_TLS: false }, "ledger-test"));
  try {
    await link.ask((admin) => admin.deleteGroups({ groups: [group] }));
  } finally {
    await link.close();
  }
}
