import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisCluster, testRedisCluster } from "@payflow/testkit/redis-cluster.ts";
import { readProcessors } from "../../src/insights/read-processors.ts";
import { exhaust, InsightSpace, newTenant, recordingNotifier } from "./insight-space.ts";

let cluster: TestRedisCluster;
beforeAll(async () => {
  cluster = await testRedisCluster();
}, 30_000);
afterAll(() => cluster.close());

const minuteMs = 60_000;

test("on a Redis Cluster of three masters events are counted and trouble is told of alike", async () => {
  const notifier = recordingNotifier();
  const space = await InsightSpace.open(cluster.urls, notifier.url, 16);
  try {
    const tenants = [newTenant(), newTenant(), newTenant()];
    const minute = Math.floor((await space.nowMs()) / minuteMs) - 3;
    await space.append(
      tenants.flatMap((tenantId, index) =>
        Array.from({ length: 300 }, (_, at) => ({
          tenantId,
          mode: "live" as const,
          merchant: `m${at % 40}`,
          arrivedAtMs: minute * minuteMs + at * 200,
          event: exhaust(
            index === 0 || at % 10 === 0 ? { event_type: "payment_failed" } : {},
            minute * minuteMs,
          ),
        })),
      ),
    );
    await space.start();
    await eventually(() => notifier.messages.length > 0, { timeoutMs: 20_000 });
    for (const [index, tenantId] of tenants.entries()) {
      for (const window of ["15m", "24h"] as const) {
        const reading = await readProcessors(space.stores, { tenantId, mode: "live" }, window);
        const found = reading.current.get("stripe");
        expect([found?.events, found?.failures]).toEqual([300, index === 0 ? 300 : 30]);
      }
    }
    expect(notifier.messages.map((one) => [one.tenant_id, one.event])).toEqual([
      [tenants[0] ?? "", "processor.degraded"],
    ]);
  } finally {
    await space.close();
    notifier.stop();
  }
}, 60_000);
