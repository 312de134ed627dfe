import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { apps } from "@payflow/contracts/events.ts";
import { subscribeGroup } from "@payflow/service-kit/bus/consumers.ts";
import { openRedisStreams } from "@payflow/service-kit/bus/redis-streams.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { testEvent } from "@payflow/testkit/bus/events.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { consumers } from "../../src/consumers.ts";
import { createAllowanceStore } from "../../src/quotas/allowance.store.ts";
import { faultsOf, testTenant, WriterSpace } from "../writer/writer-fixture.ts";

const partitions = 4;
const logger = createLogger("test", "silent");

let busServer: TestRedisPair;
let streamsServer: TestRedisPair;
const endings: (() => unknown)[] = [];

beforeAll(async () => {
  [busServer, streamsServer] = await Promise.all([testRedis(), testRedis()]);
});
afterAll(async () => {
  for (const end of endings.reverse()) await end();
  await Promise.all([busServer.close(), streamsServer.close()]);
});

/** A replica that reads the bus into streams of its own Redis. */
async function replica(prefix: string, space: WriterSpace, maxMerchants = 1) {
  const bus = await openRedisStreams({
    ...{ url: busServer.durable.url, prefix, service: "ingest", installedApps: apps, logger },
    metrics: new Metrics("ingest-test"),
  });
  const { writer, redis } = await space.open({ maxMerchants }, false);
  await subscribeGroup(bus, { group: "ingest", maxBatch: 500, consumers: consumers({ writer }) });
  endings.push(() => bus.close());
  return { bus, writer, redis };
}

function streams() {
  const space = new WriterSpace(streamsServer.durable.url, partitions);
  endings.push(() => space.end());
  return space;
}

const payments = (count: number) =>
  Array.from({ length: count }, (_, index) => testEvent("payment.settled", `pay_${index}`, 2));

describe("the platform's own payments", () => {
  test("are stored once each, in the tenant's mode, however often the bus brings them", async () => {
    const space = streams();
    const { bus } = await replica("once", space);
    await replica("once", space);
    const settled = payments(200);
    const refunds = settled.map(({ key }) => testEvent("refund.settled", key, 3));
    await bus.publish("payment.settled", settled);
    await bus.publish("refund.settled", refunds);
    await bus.publish("payment.settled", settled.slice(0, 100));
    await eventually(async () => expect(await space.entries()).toHaveLength(400));
    await eventually(async () => expect((await bus.lag("ingest")).events).toBe(0));
    const entries = await space.entries();
    expect(faultsOf(entries)).toEqual([]);
    expect(new Set(entries.map(({ eventId }) => eventId))).toEqual(
      new Set([...settled, ...refunds].map((one) => one.event_id)),
    );
    expect(new Set(entries.map(({ mode, tenantId }) => `${tenantId} ${mode}`))).toEqual(
      new Set([`${testTenant} test`]),
    );
  });

  test("take nothing from the tenant's merchants and allowance", async () => {
    const space = streams();
    const { bus, writer, redis } = await replica("free", space, 0);
    await bus.publish("payment.settled", payments(50));
    await eventually(async () => expect(await space.entries()).toHaveLength(50));
    const usage = createAllowanceStore({ redis, keys: space.keys, partitions, quietMs: 1_000 });
    const month = new Date().toISOString().slice(0, 7);
    expect(await usage.stored(testTenant, month)).toEqual({ live: 0, test: 0 });
    expect(writer.openEvents).toBe(0);
  });

  test("wait on the bus while the streams' Redis is away, hold up nobody who publishes, and none is lost", async () => {
    const space = streams();
    const { bus } = await replica("away", space);
    await bus.publish("payment.settled", payments(10));
    await eventually(async () => expect(await space.entries()).toHaveLength(10));
    await streamsServer.durable.stop("SIGKILL");
    for (let batch = 0; batch < 5; batch += 1) await bus.publish("payment.settled", payments(20));
    expect((await bus.lag("ingest")).events).toBeGreaterThan(0);
    await streamsServer.durable.start();
    await eventually(async () => expect(await space.entries()).toHaveLength(110), { timeoutMs: 20_000 });
    await eventually(async () => expect((await bus.lag("ingest")).events).toBe(0));
    expect(faultsOf(await space.entries())).toEqual([]);
    expect((await bus.deadLetters.list({ group: "ingest", limit: 10 })).letters).toEqual([]);
  }, 40_000);
});
