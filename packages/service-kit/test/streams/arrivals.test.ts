import { afterAll, beforeAll, expect, test } from "bun:test";

import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { pause } from "../../src/concurrency/retry.ts";
import { connectRedis, settled } from "../../src/store/redis.ts";
import { streamKeys } from "../../src/streams/keys.ts";
import { ArrivalWatch } from "../../src/streams/reading/arrivals.ts";
import { createLogger } from "../../src/telemetry/logging.ts";

let stores: TestRedisPair;

beforeAll(async () => {
  stores = await testRedis();
}, 30_000);
afterAll(() => stores.close());

/** As a partition's reader does: what resolves without entries is asked again. */
async function firstOf(watch: ArrivalWatch, partition: number, signal: AbortSignal): Promise<number> {
  for (;;) {
    const entries = await watch.wait({ partition, after: "0-0", count: 10, signal });
    if (entries.length > 0 || signal.aborted) return entries.length;
  }
}

test("a partition that joins while others are being waited for is waited for from then on", async () => {
  const redis = connectRedis(stores.durable.url, "arrivals-test", createLogger("test", "silent"));
  await settled(redis);
  const keys = streamKeys("arrivals");
  const watch = new ArrivalWatch(redis, keys, 100);
  const over = new AbortController();
  void firstOf(watch, 0, over.signal);
  await eventually(async () => String(await redis.client("LIST")).includes("cmd=xread"));
  const late: number[] = [];
  for (let partition = 1; partition <= 200; partition += 1) {
    // The first of two has the blocked call ended; the other comes while the next one is on its way.
    void firstOf(watch, 1_000 + partition, over.signal);
    await pause(0);
    for (let tick = 0; tick < partition % 20; tick += 1)
      await new Promise((resolve) => setImmediate(resolve));
    const read = firstOf(watch, partition, over.signal);
    await redis.xadd(keys.events(partition), "*", "event", "{}");
    // A blocked call that nobody interrupts ends after four seconds.
    const entries = await Promise.race([read, pause(1_500).then(() => 0)]);
    if (entries !== 1) late.push(partition);
  }
  expect(late).toEqual([]);
  over.abort();
  watch.close();
  redis.disconnect();
}, 120_000);
