import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { merchantKey } from "@payflow/service-kit/streams/keys.ts";
import { skippedEvents } from "@payflow/testkit/bus/order.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import type { Redis } from "ioredis";
import { event } from "../writer/writer-fixture.ts";
import { adminToken, openRoutes, StreamsSpace } from "./streams-space.ts";

setDefaultTimeout(120_000);

let servers: TestRedisPair;

beforeAll(async () => {
  servers = await testRedis();
});
afterAll(() => servers.close());

const maxBytes = 48 * 2 ** 20;

async function used(space: StreamsSpace): Promise<number> {
  // These streams are on one server.
  const redis = space.redis as Redis;
  return Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
}

test("what a slow group has not read is never trimmed; all are refused before memory is used up; it falls after the drain", async () => {
  const space = await StreamsSpace.at(servers.durable.url);
  await (space.redis as Redis).config("SET", "maxmemory", maxBytes);
  const streams = await space.look({ retentionSeconds: 3_600 });
  const { pressure, registry, readiness } = streams;
  await registry.register("slow", "warehouse", "0");
  await registry.register("fast", "webhook", "0");
  const fast = await space.read("fast", undefined, { maxBatch: 500, maxPending: 2_000 });
  const { writer } = await space.open();
  let stored = 0;
  const levels = new Set<string>();
  const tenants = Array.from({ length: 10 }, (_, index) => `ten_0000000000000000000000000${index}`);
  // As routes do: a refused event is not handed to the writer.
  while (pressure.level !== "hard") {
    levels.add(pressure.level);
    const batch = tenants.flatMap((tenantId) => {
      pressure.note(tenantId, 20);
      if (pressure.isAbove(tenantId)) return [];
      return Array.from({ length: 20 }, (_, index) =>
        event({ tenantId, merchant: `m${index % 4}`, body: "x".repeat(400) }),
      );
    });
    const results = await writer.append(batch);
    stored += results.filter((result) => result.kind === "stored").length;
    // Between the marks lie some megabytes, and memory is looked at four times a second.
    await Bun.sleep(8);
  }
  expect([...levels]).toEqual(["none", "soft"]);
  expect(await used(space)).toBeLessThan(maxBytes * 0.95);
  await expect(readiness.check()).rejects.toThrow("high-water");
  expect(await space.length()).toBe(stored);
  await eventually(() => fast.entries.length === stored);
  // The fast group's having read it all frees nothing.
  expect(await space.length()).toBe(stored);
  const admin = await openRoutes(streams, space)("GET", "/v1/streams", adminToken);
  expect(admin.body).toMatchObject({ pressure: "hard", length: stored });
  const slow = await space.read("slow", undefined, { maxBatch: 500, maxPending: 2_000 });
  await eventually(() => slow.entries.length >= stored, { timeoutMs: 60_000 });
  await eventually(() => pressure.level === "none", { timeoutMs: 30_000 });
  expect(await used(space)).toBeLessThan(maxBytes * 0.5);
  await readiness.check();
  const numbered = slow.entries.map((entry) => ({
    key: merchantKey(entry.tenantId, entry.mode, entry.merchant),
    sequence: entry.sequence,
  }));
  expect(skippedEvents(numbered)).toEqual([]);
  expect(numbered).toHaveLength(stored);
  await (space.redis as Redis).config("SET", "maxmemory", 0);
  await space.end();
});

test("what all have read goes before anybody is refused", async () => {
  const space = await StreamsSpace.at(servers.durable.url);
  const redis = space.redis as Redis;
  await redis.flushall();
  await redis.config("SET", "maxmemory", maxBytes);
  // Entries that all have read are kept, for there is no trimming until memory is short.
  const { pressure, registry } = await space.look({ retentionSeconds: 3_600 });
  await registry.register("only", "warehouse", "0");
  const { entries } = await space.read("only", undefined, { maxBatch: 500, maxPending: 2_000 });
  const { writer } = await space.open();
  const levels = new Set<string>();
  let stored = 0;
  while (stored * 500 < 1.5 * maxBytes) {
    const batch = Array.from({ length: 2_500 }, (_, index) =>
      event({ merchant: `m${index % 8}`, body: "x".repeat(400) }),
    );
    stored += (await writer.append(batch)).length;
    levels.add(pressure.level);
    await eventually(() => entries.length === stored);
  }
  expect([...levels]).toEqual(["none"]);
  await redis.config("SET", "maxmemory", 0);
  await space.end();
});
