import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { apps } from "@payflow/contracts/events.ts";
import { testEvent, testEvents, testKeys } from "@payflow/testkit/bus/events.ts";
import { skippedEvents } from "@payflow/testkit/bus/order.ts";
import { record } from "@payflow/testkit/bus/space.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Redis } from "ioredis";
import type { EventBus } from "../../src/bus/bus.ts";
import { assertDurableRedis } from "../../src/bus/redis/durable.ts";
import { busKeys, declaredGroups, partitionOf, partitions } from "../../src/bus/redis/keys.ts";
import { openRedisStreams, type RedisStreamsOptions } from "../../src/bus/redis-streams.ts";
import { isTransient } from "../../src/store/database.ts";
import { createLogger } from "../../src/telemetry/logging.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

setDefaultTimeout(60_000);

const topic = "payment.settled";
const keys = busKeys("bus");

let servers: TestRedisPair;
let redis: Redis;
let endings: (() => Promise<unknown>)[];

beforeEach(async () => {
  servers = await testRedis();
  redis = new Redis(servers.durable.url);
  redis.on("error", () => {});
  endings = [];
});
afterEach(async () => {
  for (const end of endings.reverse()) await end();
  redis.disconnect();
  await servers.close();
});

async function open(options: Partial<RedisStreamsOptions> = {}): Promise<EventBus> {
  const bus = await openRedisStreams({
    url: servers.durable.url,
    service: "test",
    installedApps: apps,
    logger: createLogger("test", process.env.LOG_LEVEL ?? "fatal"),
    metrics: new Metrics("test"),
    ...options,
  });
  endings.push(() => bus.close());
  return bus;
}

async function storedEntries(): Promise<number> {
  const lengths = await Promise.all(keys.streams(topic).map((stream) => redis.xlen(stream)));
  return lengths.reduce((sum, length) => sum + length, 0);
}

test("a Redis that may lose events is refused with every setting named", async () => {
  await redis.config("SET", "appendonly", "no");
  await redis.config("SET", "appendfsync", "everysec");
  await redis.config("SET", "no-appendfsync-on-rewrite", "yes");
  await redis.config("SET", "maxmemory-policy", "allkeys-lru");
  for (const attempt of [assertDurableRedis(redis), open()]) {
    const error = await attempt.then(
      () => null,
      (thrown: Error) => thrown,
    );
    expect(error?.name).toBe("ConfigError");
    expect(error?.message).toContain("appendonly to yes");
    expect(error?.message).toContain("appendfsync to always");
    expect(error?.message).toContain("no-appendfsync-on-rewrite to no");
    expect(error?.message).toContain("maxmemory-policy to noeviction");
  }
});

test("the declared groups are there before the first event, for installed apps alone", async () => {
  await open({ installedApps: ["payment", "ledger"] });
  for (const stream of keys.streams(topic)) {
    const groups = (await redis.xinfo("GROUPS", stream)) as string[][];
    expect(groups.map((group) => group[1])).toEqual(["ledger"]);
  }
  expect(declaredGroups(apps).get("tenant.changed")).toEqual([]);
  expect(() => declaredGroups(["ledgre"])).toThrow("ledgre");
});

test("a key's partition never changes", () => {
  const known = ["pay_1", "pay_2", "ten_01h0000000000000000000000t", "é"].map(partitionOf);
  expect(known).toEqual([2, 0, 0, 6]);
});

test("trimming keeps what the slowest declared group has not acknowledged", async () => {
  const installedApps = ["ledger", "fraud", "notifier"];
  const bus = await open({ installedApps });
  const events = testEvents(topic, testKeys(200), 20);
  for (let at = 0; at < events.length; at += 1_000) await bus.publish(topic, events.slice(at, at + 1_000));
  const ledger = await record(bus, "ledger", [topic]);
  const fraud = await record(bus, "fraud", [topic]);
  await eventually(() => ledger.events.length >= events.length && fraud.events.length >= events.length);
  // The notifier's group has read nothing: all stays for it, through several rounds of trimming.
  await eventually(async () => (await bus.lag("ledger")).events === 0);
  const second = await open({ installedApps });
  expect(await storedEntries()).toBe(events.length);
  const notifier = await record(second, "notifier", [topic]);
  await eventually(() => notifier.events.length >= events.length);
  expect(skippedEvents(notifier.events)).toEqual([]);
  // Redis trims whole nodes of up to 100 entries, so that a few stay in each stream.
  await eventually(async () => (await storedEntries()) < partitions.length * 100, { timeoutMs: 15_000 });
});

test("above the high-water mark publishing is refused, readers go on, and it is accepted again below", async () => {
  const bus = await open();
  const { events } = await record(bus, "ledger", [topic]);
  for (let part = 0; part < 100; part += 1) await redis.append("ballast", "x".repeat(200_000));
  const used = Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
  const first = testEvents(topic, testKeys(50), 10);
  await bus.publish(topic, first.slice(0, 250));
  // Now even Redis itself refuses writes, but for those of the readers.
  await redis.config("SET", "maxmemory", Math.floor(used * 0.8));
  const refusal = await eventually(async () => {
    const thrown = await bus.publish(topic, first.slice(250)).catch((error: unknown) => error);
    return String(thrown).includes("high-water mark") && thrown;
  });
  expect(isTransient(refusal)).toBe(true);
  await eventually(() => events.length === 250);
  await eventually(async () => (await bus.lag("ledger")).events === 0);
  await redis.del("ballast");
  await eventually(() => bus.publish(topic, first.slice(250)));
  await eventually(() => events.length === 500);
  expect(skippedEvents(events)).toEqual([]);
});

test("a full Redis refuses a whole send, so that no later event of a key stands before an earlier one", async () => {
  const bus = await open();
  const used = Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
  await redis.config("SET", "maxmemory", used);
  const events = testEvents(topic, testKeys(1), 500);
  await expect(bus.publish(topic, events)).rejects.toThrow("unavailable");
  expect(await storedEntries()).toBe(0);
});

test("after Redis lost its data groups and leases are made anew and later events arrive", async () => {
  const bus = await open();
  const { events } = await record(bus, "ledger", [topic]);
  const [key = ""] = testKeys(1);
  await bus.publish(topic, [testEvent(topic, key, 1)]);
  await eventually(() => events.length === 1);
  await redis.flushall();
  await bus.publish(topic, [testEvent(topic, key, 2)]);
  await eventually(() => events.length === 2);
  await eventually(async () => (await bus.lag("ledger")).events === 0);
  expect((await bus.lag("ledger")).events).toBe(0);
});

test("a reader whose lease went to another stores no position", async () => {
  const bus = await open();
  const held = Promise.withResolvers<void>();
  const calls: number[] = [];
  await record(bus, "ledger", [topic], async (_topic, batch) => {
    calls.push(...batch.map((event) => event.sequence ?? 0));
    if (calls.length === 1) await held.promise;
  });
  const [key = ""] = testKeys(1);
  await bus.publish(topic, [testEvent(topic, key, 1)]);
  await eventually(() => calls.length === 1);
  const partition = partitionOf(key);
  // Another replica takes the partition while the batch is being handled.
  await redis.hset(
    keys.leases("ledger", topic),
    String(partition),
    `99999999999999 ${Date.now() + 2_000} other`,
  );
  held.resolve();
  const position = async () => {
    const groups = (await redis.xinfo("GROUPS", keys.stream(topic, partition))) as unknown[][];
    const group = groups.find((one) => one[1] === "ledger") ?? [];
    return group[group.indexOf("last-delivered-id") + 1];
  };
  await eventually(async () =>
    (await redis.hget(keys.leases("ledger", topic), String(partition)))?.endsWith("other"),
  );
  expect(await position()).toBe("0-0");
  // Once the other's lease is over, the event is handled again.
  await eventually(() => calls.length === 2);
  await eventually(async () => (await position()) !== "0-0");
});

test("what is remembered of failures is forgotten once they are passed, however many there were", async () => {
  const bus = await open();
  const [key = ""] = testKeys(1);
  const partition = partitionOf(key);
  const failures = keys.failures("ledger", topic, partition);
  // More than one commit looks at: as a long series of bad days leaves them.
  const old = Array.from({ length: 6_000 }, (_, index) => [`1000-${index}`, "{}"]);
  await redis.hset(failures, ...old.flat());
  await redis.hset(failures, "99999999999999-0", "{}");
  const { events } = await record(bus, "ledger", [topic]);
  for (let sequence = 1; sequence <= 8; sequence += 1) {
    for (let bad = 0; bad < 3; bad += 1) {
      await redis.xadd(keys.stream(topic, partition), "*", "event", "not an envelope");
    }
    await bus.publish(topic, [testEvent(topic, key, sequence)]);
    await eventually(() => events.length >= sequence);
  }
  await eventually(async () => (await bus.lag("ledger")).events === 0);
  expect(await redis.xlen(keys.deadLetters(topic))).toBe(24);
  // What stands after the position is still needed.
  await eventually(async () => (await redis.hkeys(failures)).join() === "99999999999999-0");
});

test("a joining replica gets a partition only after the batch under way, and no event twice", async () => {
  const [first, second] = await Promise.all([open(), open()]);
  const held = Promise.withResolvers<void>();
  const calls: string[] = [];
  const handle = async (_topic: string, batch: readonly { event_id: string }[]) => {
    calls.push(...batch.map((event) => event.event_id));
    await held.promise;
  };
  await record(first, "ledger", [topic], handle);
  const events = testEvents(topic, testKeys(60), 1);
  await first.publish(topic, events);
  await eventually(() => calls.length > 0);
  const leases = () => redis.hvals(keys.leases("ledger", topic));
  const joined = record(second, "ledger", [topic], handle);
  // Two rounds in which the first extended what it is still at work on.
  for (let round = 0; round < 2; round += 1) {
    const before = await leases();
    await eventually(async () => (await leases()).every((lease, at) => lease !== before[at]));
  }
  await joined;
  expect(new Set((await leases()).map((lease) => lease.split(" ")[2])).size).toBe(1);
  held.resolve();
  await eventually(async () => new Set((await leases()).map((lease) => lease.split(" ")[2])).size === 2);
  await eventually(async () => (await first.lag("ledger")).events === 0);
  expect(calls.sort()).toEqual(events.map((event) => event.event_id).sort());
});

test("replicas divide each topic's partitions evenly, and take them over when one stops", async () => {
  const buses = await Promise.all([open(), open(), open()]);
  const members = await Promise.all(buses.map((bus) => record(bus, "ledger", [topic])));
  const shares = async () => {
    const leases = await redis.hvals(keys.leases("ledger", topic));
    const counts = new Map<string, number>();
    for (const lease of leases) {
      const holder = lease.split(" ")[2] ?? "";
      counts.set(holder, (counts.get(holder) ?? 0) + 1);
    }
    return [...counts.values()].sort().join();
  };
  await eventually(async () => (await shares()) === "2,3,3");
  await members[0]?.subscription.stop();
  await eventually(async () => (await shares()) === "4,4");
  await members[1]?.subscription.stop();
  await eventually(async () => (await shares()) === "8");
});

test("a group that has given up nothing says so, in numbers that an alert can see grow", async () => {
  const metrics = new Metrics("test");
  const bus = await open({ metrics });
  const member = await bus.subscribe({
    group: "ledger",
    topics: [topic],
    maxBatch: 1,
    handle: async () => {},
  });
  endings.push(() => member.stop());
  expect(await metrics.text()).toContain(
    `payflow_bus_dead_letters_total{group="ledger",topic="${topic}",service="test"} 0`,
  );
});
