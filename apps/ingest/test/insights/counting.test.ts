import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { startGroup } from "@payflow/service-kit/streams/group.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { countEntries } from "../../src/insights/count-entries.ts";
import { partitionCounts } from "../../src/insights/partition-counts.store.ts";
import { readProcessors } from "../../src/insights/read-processors.ts";
import { openRegistry } from "../../src/streams/registry.ts";
import { type Arrival, exhaust, InsightSpace, newTenant } from "./insight-space.ts";
import { childReplicas } from "./replica-process.ts";

let servers: TestRedisPair;
beforeAll(async () => {
  servers = await testRedis();
});
afterAll(() => servers.close());

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function openSpace(): Promise<InsightSpace> {
  const space = await InsightSpace.open(servers.durable.url);
  endings.push(() => space.close());
  return space;
}

function arrivals(tenantId: string, count: number, from = 0): Arrival[] {
  return Array.from({ length: count }, (_, at) => ({
    tenantId,
    mode: "live" as const,
    merchant: `m${(from + at) % 11}`,
    event: exhaust({ event_type: (from + at) % 4 === 0 ? "payment_failed" : "payment_succeeded" }),
  }));
}

/** A tenant's events and failures over the last hour, with all partitions' entries counted. */
async function figures(space: InsightSpace, tenantId: string) {
  const askedAt = await space.nowMs();
  return eventually(
    async () => {
      const reading = await readProcessors(space.stores, { tenantId, mode: "live" }, "1h");
      // That moment itself is not part of it, and an entry may have come within the same millisecond.
      if (reading.countedUntil.getTime() <= askedAt) return false;
      const found = reading.current.get("stripe");
      return { events: found?.events ?? 0, failures: found?.failures ?? 0 };
    },
    { timeoutMs: 20_000 },
  );
}

test("an entry delivered again is not counted again, and what two have read counts for one of them", async () => {
  const space = await openSpace();
  const tenantId = newTenant();
  const counted = new Metrics("test").counter("counted", "Counted.");
  const deps = { counts: partitionCounts(space.keys), lateMs: 3_600_000, counted };
  const refused: string[] = [];
  const group = await startGroup({
    redis: space.connect(),
    keys: space.keys,
    partitions: space.address.partitions,
    group: "insights",
    maxBatch: 50,
    maxPending: 100,
    logger: space.logger,
    metrics: new Metrics("test"),
    open(partition) {
      const first = countEntries(deps, partition);
      const behind = countEntries(deps, partition);
      let batches = 0;
      return {
        async take(entries) {
          batches += 1;
          await first.take(entries);
          // As after a crash: a consumer that knows nothing yet is given the same entries.
          await countEntries(deps, partition).take(entries);
          // As after a pause: one that believes to be where it was when it last counted. It changes nothing.
          if (batches === 1) await behind.take(entries);
          else await behind.take(entries).catch((error: unknown) => refused.push(String(error)));
        },
        close: async () => {},
      };
    },
  });
  endings.push(() => group.stop());
  await space.append(arrivals(tenantId, 400));
  expect(await figures(space, tenantId)).toEqual({ events: 400, failures: 100 });
  await space.append(arrivals(tenantId, 400));
  expect(await figures(space, tenantId)).toEqual({ events: 800, failures: 200 });
  expect(refused.length).toBeGreaterThan(0);
  for (const error of refused) expect(error).toContain("counted by another");
});

test("a group set back to the beginning counts nothing twice", async () => {
  const space = await openSpace();
  const tenantId = newTenant();
  const first = await space.start();
  await space.append(arrivals(tenantId, 100));
  expect(await figures(space, tenantId)).toEqual({ events: 100, failures: 25 });
  await first.stop();
  for (let partition = 0; partition < space.address.partitions; partition += 1) {
    await space.redis.xgroup("SETID", space.keys.events(partition), "insights", "0");
  }
  await space.start();
  await space.append(arrivals(tenantId, 100));
  expect(await figures(space, tenantId)).toEqual({ events: 200, failures: 50 });
});

test("what is no event in the streams is passed over", async () => {
  const space = await openSpace();
  const tenantId = newTenant();
  const entry = (event: string) =>
    ["tenant", tenantId, "mode", "live", "merchant", "m", "sequence", 1, "id", "x"].concat("event", event);
  for (const event of ["", "no json", "[]", "null", '{"event_type": 5, "processor": "stripe"}']) {
    await space.redis.xadd(space.keys.events(1), "*", ...entry(event));
  }
  await space.start();
  await space.append(arrivals(tenantId, 8));
  expect(await figures(space, tenantId)).toEqual({ events: 8, failures: 2 });
});

const rounds = process.env.PAYFLOW_THOROUGH === "1" ? 20 : 4;

test("two replicas of which one is killed or stands still at random moments count each entry once", async () => {
  const space = await openSpace();
  const tenantId = newTenant();
  const replicas = childReplicas({ address: space.address });
  endings.push(() => replicas.killAll());
  await Promise.all([replicas.start(), replicas.start()]);
  let sent = 0;
  const send = async () => {
    await space.append(arrivals(tenantId, 200, sent));
    sent += 200;
  };
  for (let round = 0; round < rounds; round += 1) {
    const sending = (async () => {
      for (let batch = 0; batch < 5; batch += 1) await send();
    })();
    const [oldest = 0] = replicas.running;
    await Bun.sleep(Math.random() * 700);
    if (round % 2 === 0) {
      await replicas.kill(oldest);
      await replicas.start();
    } else {
      // It goes on after another has taken its partitions, with entries in hand that are counted by then.
      replicas.pause(oldest);
      await sending;
      await figures(space, tenantId);
      replicas.resume(oldest);
    }
    await sending;
  }
  const [oldest = 0] = replicas.running;
  expect(await replicas.stop(oldest)).toBe(0);
  await send();
  expect(await figures(space, tenantId)).toEqual({ events: sent, failures: sent / 4 });
}, 240_000);

test("replicas share the partitions, and minutes that are over are brought together", async () => {
  const space = await openSpace();
  const replicas = childReplicas({ address: space.address });
  endings.push(() => replicas.killAll());
  await Promise.all([replicas.start(), replicas.start()]);
  const leases = await eventually(async () => {
    const names = Array.from({ length: 4 }, (_, partition) => space.keys.lease(partition, "insights"));
    const texts = await Promise.all(names.map((name) => space.redis.get(name)));
    const holders = texts.map((text) => text?.split(" ")[2] ?? "");
    return holders.every((holder) => holder !== "") && new Set(holders).size === 2 && holders;
  });
  expect(leases).toHaveLength(4);
  await eventually(async () => {
    const { minute, nowMs } = await space.stores.figures.rolled();
    return minute >= Math.floor((nowMs - 3_000) / 60_000);
  });
});

test("insights that were removed count again once a process that exports starts", async () => {
  const space = await openSpace();
  const tenantId = newTenant();
  const before = await space.start();
  await space.append(arrivals(tenantId, 40));
  expect(await figures(space, tenantId)).toEqual({ events: 40, failures: 10 });
  await openRegistry(space.redis, space.keys, space.address.partitions).deregister("insights");
  await before.stop();
  await space.append(arrivals(tenantId, 40));
  await space.start();
  expect(await figures(space, tenantId)).toEqual({ events: 80, failures: 20 });
}, 60_000);
