import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { HeldPartition } from "@payflow/service-kit/streams/consumer.ts";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { openRegistry } from "../../src/streams/registry.ts";
import { trimStreams } from "../../src/streams/upkeep/trim-streams.ts";
import { createUpkeepStore } from "../../src/streams/upkeep/upkeep.store.ts";
import { StreamsSpace } from "./streams-space.ts";

setDefaultTimeout(60_000);

let servers: TestRedisPair;
let space: StreamsSpace;

beforeAll(async () => {
  servers = await testRedis();
});
afterAll(() => servers.close());
beforeEach(async () => {
  space = await StreamsSpace.at(servers.durable.url);
});
afterEach(async () => {
  await space.end();
});

const never = new AbortController().signal;

/** One round of trimming, as upkeep makes it. */
function trim(keptMs = 0): Promise<number> {
  const { redis, keys, partitions } = space;
  const registry = openRegistry(redis, keys, partitions);
  return trimStreams({ registry, partitions, store: createUpkeepStore(redis, keys) }, keptMs, never);
}

const registry = () => openRegistry(space.redis, space.keys, space.partitions);

/** Redis trims whole nodes, so that a few entries stay in each stream. */
const fewLeft = 4 * 100;

test("entries stay until every registered group has acknowledged them, and no other group holds them back", async () => {
  await registry().register("slow", "warehouse", "0");
  await registry().register("fast", "webhook", "0");
  const stored = await space.store(200);
  for (let partition = 0; partition < 4; partition += 1) {
    await space.redis.xgroup("CREATE", space.keys.events(partition), "unregistered", "0");
  }
  const fast = await space.read("fast");
  await eventually(() => fast.entries.length === stored);
  await fast.running.stop();
  await trim();
  expect(await space.length()).toBe(stored);
  const slow = await space.read("slow");
  await eventually(() => slow.entries.length === stored);
  await slow.running.stop();
  await trim();
  expect(await space.length()).toBeLessThan(fewLeft);
});

test("of what an outside program has taken and not acknowledged nothing is trimmed", async () => {
  await registry().register("outside", "outside", "0");
  const stored = await space.store(200, { merchants: ["m1"] });
  const partition = (await space.entries())[0]?.partition ?? 0;
  const stream = space.keys.events(partition);
  const reply = await space.redis.xreadgroup(
    "GROUP",
    "outside",
    "me",
    "COUNT",
    stored,
    "STREAMS",
    stream,
    ">",
  );
  // One stream was asked for, and it has entries.
  const [[, entries]] = reply as [[string, [string, string[]][]]];
  const ids = entries.map(([id]) => id);
  expect(ids).toHaveLength(stored);
  await space.redis.xack(stream, "outside", ...ids.slice(0, 20), ...ids.slice(30));
  await trim();
  const [first] = await space.redis.xrange(stream, "-", "+", "COUNT", 1);
  expect(ids.indexOf(first?.[0] ?? "")).toBeLessThanOrEqual(20);
  await space.redis.xack(stream, "outside", ...ids);
  await trim();
  expect(await space.length()).toBeLessThan(fewLeft);
});

test("what all have read is kept for the retention", async () => {
  await registry().register("only", "warehouse", "0");
  const stored = await space.store(100);
  const { entries, running } = await space.read("only");
  await eventually(() => entries.length === stored);
  await running.stop();
  expect(await trim(60_000)).toBe(0);
  expect(await space.length()).toBe(stored);
  await eventually(async () => (await trim(1)) > 0);
});

test("no new entries wait for a draining group, and it is removed once it has read the others", async () => {
  await registry().register("leaving", "warehouse", "0");
  await registry().register("staying", "warehouse", "0");
  const before = await space.store(100);
  await registry().drain("leaving");
  const after = await space.store(100, { merchants: ["late-1", "late-2", "late-3", "late-4", "late-5"] });
  const staying = await space.read("staying");
  await eventually(() => staying.entries.length === before + after);
  await staying.running.stop();
  await trim();
  expect(await space.length()).toBe(before + after);
  // Of the later ones it acknowledges none.
  const open = (partition: HeldPartition) => ({
    take: (entries: readonly StreamEntry[]) =>
      partition.acknowledge(entries.filter((entry) => !entry.merchant.startsWith("late"))),
    close: async () => {},
  });
  await space.read("leaving", undefined, { open });
  await eventually(async () => {
    await trim();
    return (await registry().list()).every((one) => one.group !== "leaving");
  });
  await trim();
  expect(await space.length()).toBeLessThan(fewLeft);
  const groups = await space.redis.xinfo("GROUPS", space.keys.events(0));
  expect(JSON.stringify(groups)).not.toContain("leaving");
});

test("a group that goes on, or drains anew, while it is found drained keeps its place", async () => {
  await registry().register("back", "warehouse", "0");
  const stored = await space.store(10);
  const { entries, running } = await space.read("back");
  await eventually(() => entries.length === stored);
  await running.stop();
  await registry().drain("back");
  const [drained] = await registry().list();
  if (drained === undefined) throw new Error("the group is not in the registry");
  await registry().register("back", "warehouse", "0");
  await registry().release(drained);
  expect(await registry().list()).toMatchObject([{ group: "back", state: "active" }]);
  const later = await space.store(10, { merchants: ["m1", "m2"] });
  await registry().drain("back");
  await registry().release(drained);
  const again = await space.read("back");
  await eventually(() => again.entries.length === later);
  await eventually(async () => {
    await trim();
    return (await registry().list()).length === 0;
  });
});

test("a group registered at the newest entry begins behind it, and one registered again goes on", async () => {
  await space.store(10);
  await registry().register("late", "warehouse", "$");
  const stored = await space.store(5);
  await registry().register("late", "warehouse", "0");
  const { entries } = await space.read("late");
  await eventually(() => entries.length === stored);
  expect(await registry().list()).toMatchObject([{ group: "late", start: "$", state: "active" }]);
});

test("a removed group is no longer read, and begins anew when it is registered again", async () => {
  const { entries } = await space.read("gone");
  const stored = await space.store(5);
  await eventually(() => entries.length === stored);
  await registry().deregister("gone");
  await eventually(async () =>
    /held_partitions_count\{[^}]*group="gone"[^}]*\} 0/.test(await space.metrics.text()),
  );
  await space.store(5);
  expect(await registry().list()).toEqual([]);
  await registry().register("gone", "warehouse", "0");
  await eventually(() => entries.length === stored + 2 * stored);
  await expect(registry().deregister("unknown")).rejects.toThrow("not_found");
});

test("dead letters older than 30 days go, from their tenant's too", async () => {
  const { redis, keys } = space;
  const streams = await space.look();
  const dead = keys.dead(1);
  const own = keys.deadOf(1, "ten_1", "live");
  const old = `${Date.now() - 31 * 86_400_000}-0`;
  const fresh = `${Date.now() - 29 * 86_400_000}-0`;
  for (const id of [old, fresh]) {
    await redis.xadd(dead, id, "group", "g", "tenant", "ten_1", "mode", "live");
    const [ms = "", number = ""] = id.split("-");
    await redis.zadd(own, 0, `${ms.padStart(16, "0")}-${number.padStart(10, "0")}`);
  }
  await eventually(async () => (await redis.xlen(dead)) === 1);
  expect(await redis.zcard(own)).toBe(1);
  await streams.stop();
});

test("one of two processes trims, and the other takes over from it", async () => {
  const [first, second] = await Promise.all([space.look(), space.look()]);
  const holder = await eventually(async () => (await space.redis.get(space.keys.upkeep())) ?? false);
  // Renewed by the one that has it, whatever the other tries meanwhile.
  await space.redis.pexpire(space.keys.upkeep(), 3_000);
  await eventually(async () => (await space.redis.pttl(space.keys.upkeep())) > 5_000);
  expect(await space.redis.get(space.keys.upkeep())).toBe(holder);
  await space.redis.del(space.keys.upkeep());
  await Promise.all([first?.stop(), second?.stop()]);
});
