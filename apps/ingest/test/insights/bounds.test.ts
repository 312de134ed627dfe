import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { limits, otherName } from "../../src/insights/figures/compact.ts";
import { toProcessorsResponse } from "../../src/insights/insights.contract.ts";
import { readProcessors } from "../../src/insights/read-processors.ts";
import { type Arrival, exhaust, InsightSpace, newTenant } from "./insight-space.ts";

let servers: TestRedisPair;
beforeAll(async () => {
  servers = await testRedis();
});
afterAll(() => servers.close());

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const minuteMs = 60_000;
const distinct = 100_000;
/** A record is at most so large, and a tenant has at most 112 of them in a mode; see docs/guides/insights.md. */
const mostRecordBytes = 40_000;

const long = (prefix: string, at: number) => prefix.repeat(60) + at;

/** A tenant that names another processor, category, place and method in each event, over two minutes. */
function hostile(tenantId: string, firstMinute: number): Arrival[] {
  return Array.from({ length: distinct }, (_, at) => ({
    tenantId,
    mode: "live" as const,
    merchant: `m${at % 64}`,
    arrivedAtMs: firstMinute * minuteMs + Math.floor((at / distinct) * 2 * minuteMs),
    event: exhaust(
      {
        event_type: long("payment_failed_", at).slice(0, 100),
        processor: long("p", at).slice(-64),
        failure_category: long("c", at),
        geo_bucket: long("g", at),
        payment_method_bucket: long("m", at),
        retry_count: 1_000_000,
      },
      firstMinute * minuteMs,
    ),
  }));
}

function honest(tenantId: string, firstMinute: number): Arrival[] {
  return Array.from({ length: 600 }, (_, at) => ({
    tenantId,
    mode: "live" as const,
    merchant: `m${at % 64}`,
    arrivedAtMs: firstMinute * minuteMs + Math.floor((at / 600) * 2 * minuteMs),
    event: exhaust(
      at % 3 === 0 ? { event_type: "payment_failed", geo_bucket: "US" } : {},
      firstMinute * minuteMs,
    ),
  }));
}

test("a tenant with 100,000 names of everything takes bounded memory, and no other tenant notices", async () => {
  const partitions = 16;
  const space = await InsightSpace.open(servers.durable.url, undefined, partitions);
  endings.push(() => space.close());
  const [flood, calm] = [newTenant(), newTenant()];
  const firstMinute = Math.floor((await space.nowMs()) / minuteMs) - 4;
  const all = [...hostile(flood, firstMinute), ...honest(calm, firstMinute)];
  await space.append(all);
  await space.start();
  await eventually(async () => (await space.stores.figures.rolled()).minute >= firstMinute + 2, {
    timeoutMs: 60_000,
  });

  const own = await space.redis.memory("USAGE", space.keys.insights(flood, "live"), "SAMPLES", 0);
  // Two minutes, and the three longer spans that each belongs to.
  expect(own ?? 0).toBeLessThan(8 * mostRecordBytes);
  expect(await space.bytes()).toBeLessThan((8 + 2 * partitions) * mostRecordBytes + 50_000);

  const floodAnswer = toProcessorsResponse(
    await readProcessors(space.stores, { tenantId: flood, mode: "live" }, "15m"),
  );
  expect(floodAnswer.data.length).toBeLessThanOrEqual(2 * (limits.processors + 1));
  const sum = (of: (one: (typeof floodAnswer.data)[number]) => number) =>
    floodAnswer.data.reduce((total, one) => total + of(one), 0);
  expect(sum((one) => one.current.failures)).toBe(distinct);
  expect(sum((one) => one.current.retries)).toBe(distinct * 1_000_000);
  expect(floodAnswer.data.map((one) => one.processor)).toContain(otherName);
  expect(JSON.stringify(floodAnswer).length).toBeLessThan(1_000_000);

  const calmAnswer = toProcessorsResponse(
    await readProcessors(space.stores, { tenantId: calm, mode: "live" }, "15m"),
  );
  expect(calmAnswer.data).toHaveLength(1);
  expect(calmAnswer.data[0]).toMatchObject({
    processor: "stripe",
    current: { events: 600, outcomes: 600, failures: 200 },
    categories: [{ value: "unknown", failures: 200 }],
    clusters: [{ category: "unknown", geography: "US", method: "unknown", failures: 200 }],
  });
}, 120_000);

test("what is kept ends by itself: figures after the longest window, minutes once they are brought together", async () => {
  const space = await InsightSpace.open(servers.durable.url);
  endings.push(() => space.close());
  const tenantId = newTenant();
  const minute = Math.floor((await space.nowMs()) / minuteMs) - 2;
  await space.append(honest(tenantId, minute - 1));
  await space.start();
  await eventually(async () => (await space.stores.figures.rolled()).minute >= minute + 1);
  const ofTenant = await space.redis.pttl(space.keys.insights(tenantId, "live"));
  expect(ofTenant).toBeGreaterThan(49 * 60 * minuteMs);
  expect(ofTenant).toBeLessThanOrEqual(50 * 60 * minuteMs);
  await eventually(async () => {
    for (let partition = 0; partition < space.address.partitions; partition += 1) {
      const left = await space.redis.pttl(space.keys.insightsMinute(partition, minute));
      // -2 stands for a minute in which nothing came to this partition.
      if (left === -1 || left > 2 * minuteMs) return false;
    }
    return true;
  });
});
