import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestKafka, testKafka } from "@payflow/testkit/kafka.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Admin, Consumer, type Message } from "@platformatic/kafka";
import { ExportSpace, newTenant } from "../exporters/fixture/export-space.ts";
import { type ExportedRow, judge } from "../exporters/fixture/exported-rows.ts";

setDefaultTimeout(120_000);

const awayMs = process.env.PAYFLOW_THOROUGH === "1" ? 30_000 : 3_000;

let stores: TestRedisPair;
let kafka: TestKafka;
let space: ExportSpace;

beforeAll(async () => {
  stores = await testRedis();
  // A broker of its own, which a test kills.
  kafka = await testKafka({ isSecured: true });
});
beforeEach(async () => {
  space = await ExportSpace.open(stores.durable.url);
});
afterEach(() => space.end());
afterAll(async () => {
  await Promise.all([stores.close(), kafka.close()]);
});

const brokers = () => kafka.brokers.split(",");
const newTopic = () => `export-${crypto.randomUUID().slice(0, 8)}`;

async function makeTopic(topic: string): Promise<string> {
  const admin = new Admin({ clientId: "test", bootstrapBrokers: brokers(), retries: 20 });
  await admin.createTopics({ topics: [topic], partitions: 3, replicas: 1 });
  await admin.close();
  return topic;
}

/** What a topic has, read by a client that is not ours. */
async function follow(topic: string) {
  const rows: { key: string; partition: number; row: ExportedRow }[] = [];
  const consumer = new Consumer({
    clientId: "reader",
    groupId: `reader-${topic}`,
    bootstrapBrokers: brokers(),
    retries: true,
    retryDelay: 200,
  });
  const stream = await consumer.consume({ topics: [topic], mode: "earliest", maxWaitTime: 50 });
  stream.on("error", () => {});
  stream.on("data", ({ key, value, partition }: Message) => {
    rows.push({ key: String(key), partition, row: JSON.parse(String(value)) });
  });
  space.defer(() => consumer.close(true));
  return {
    all: rows,
    /** Each event once, since Kafka may have it twice. */
    get distinct(): ExportedRow[] {
      return [...new Map(rows.map(({ row }) => [row.stream_id, row])).values()];
    },
  };
}

const putKafka = (settings: object = {}, tenants: object = {}) =>
  space.put("queue", { kind: "kafka", settings: { brokers: brokers(), ...settings }, tenants });

test("events go to Kafka by merchant, each merchant's in order, with what ingest knows of them", async () => {
  const topic = await makeTopic(newTopic());
  await putKafka({ topic });
  space.run();
  const [one, other] = [newTenant(), newTenant()];
  await space.append(one, 30);
  await space.append(other, 30);
  const read = await follow(topic);
  await eventually(() => read.distinct.length === 300, { timeoutMs: 30_000 });
  expect(judge(read.distinct)).toEqual({ rows: 300, twice: 0, events: 300, gaps: 0 });
  const partitions = new Map<string, number>();
  const sequences = new Map<string, number>();
  for (const { key, partition, row } of read.all) {
    expect(key).toBe(`${row.tenant_id}/${row.mode}/${row.merchant_id_hash}`);
    expect(partitions.get(key) ?? partition).toBe(partition);
    partitions.set(key, partition);
    expect(row.sequence).toBeLessThanOrEqual((sequences.get(key) ?? 0) + 1);
    sequences.set(key, Math.max(row.sequence, sequences.get(key) ?? 0));
  }
  expect(partitions.size).toBe(10);
  await eventually(async () => (await space.read("queue")).lag.events === 0);
});

test(`Kafka away for ${awayMs / 1_000} s costs nothing: the lag shows, and the exporter catches up by itself`, async () => {
  const topic = await makeTopic(newTopic());
  await putKafka({ topic });
  space.run();
  const tenantId = newTenant();
  await space.append(tenantId, 10);
  const read = await follow(topic);
  await eventually(() => read.distinct.length === 50, { timeoutMs: 30_000 });
  await Promise.all(kafka.servers.map((server) => server.stop("SIGKILL")));
  const until = performance.now() + awayMs;
  while (performance.now() < until) {
    await space.append(tenantId, 1);
    await Bun.sleep(100);
  }
  await eventually(async () => (await space.read("queue")).trouble !== null);
  expect((await space.read("queue")).lag.events).toBeGreaterThan(0);
  await Promise.all(kafka.servers.map((server) => server.start()));
  await eventually(() => read.distinct.length === space.appended, { timeoutMs: 60_000 });
  expect(judge(read.distinct)).toMatchObject({ events: space.appended, gaps: 0 });
  await eventually(async () => (await space.read("queue")).trouble === null);
  expect((await space.read("queue")).lag.events).toBe(0);
});

test("a tenant's own topic takes the tenant's events; while it is not there it holds nobody up", async () => {
  const [topic, theirs] = [await makeTopic(newTopic()), newTopic()];
  const [tenantId, others] = [newTenant(), newTenant()];
  await putKafka({ topic }, { [tenantId]: { topic: theirs } });
  space.run();
  await space.append(tenantId, 2, ["m1"]);
  await space.append(others, 10);
  const read = await follow(topic);
  await eventually(() => read.distinct.length === 50, { timeoutMs: 30_000 });
  expect(new Set(read.distinct.map((row) => row.tenant_id))).toEqual(new Set([others]));
  await eventually(async () => (await space.read("queue")).lag.events === 0, { timeoutMs: 30_000 });
  await makeTopic(theirs);
  expect(await space.redrive()).toBe(2);
  const own = await follow(theirs);
  await eventually(() => own.distinct.length === 2, { timeoutMs: 30_000 });
  expect(own.distinct.map((row) => row.tenant_id)).toEqual([tenantId, tenantId]);
});

test("an exporter comes in by TLS with a password that nobody is shown, and keeps it", async () => {
  const { security } = kafka;
  if (security === null) throw new Error("the broker has no other listeners");
  const topic = await makeTopic(newTopic());
  const { username, password } = security.login;
  const place = {
    topic,
    brokers: security.scramTls.split(","),
    tls: { ca: await Bun.file(security.certificates.authority).text() },
  };
  const sasl = { mechanism: "scram-sha-512", username };
  await putKafka({ ...place, sasl: { ...sasl, password } });
  await putKafka({ ...place, sasl });
  space.run();
  await space.append(newTenant(), 4);
  const read = await follow(topic);
  await eventually(() => read.distinct.length === 20, { timeoutMs: 30_000 });
  expect((await space.read("queue")).settings).toEqual({ ...place, sasl });
  const stored = Object.values(await space.redis.hgetall(space.keys.exporters())).join();
  expect(stored).not.toContain(password);
  // Another user's password is asked for.
  await expect(putKafka({ ...place, sasl: { ...sasl, username: "another" } })).rejects.toThrow();
});
