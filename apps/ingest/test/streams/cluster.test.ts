import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { testRedisCluster } from "@payflow/testkit/redis-cluster.ts";
import { adminToken, openRoutes, StreamsSpace } from "./streams-space.ts";

setDefaultTimeout(60_000);

let cluster: Awaited<ReturnType<typeof testRedisCluster>>;

beforeAll(async () => {
  cluster = await testRedisCluster();
});
afterAll(() => cluster.close());

test("on a cluster too streams are read, trimmed and shown, and dead letters come again", async () => {
  const space = await StreamsSpace.at(cluster.urls, 8);
  const streams = await space.look();
  const call = openRoutes(streams, space);
  const own = "ten_00000000000000000000000001";
  const key = `${own}/live/events:read,events:write`;
  await streams.registry.register("lake", "warehouse", "0");
  let isMended = false;
  const { entries } = await space.read("lake", async (batch) => {
    if (!isMended && batch.some((entry) => entry.merchant === "m1")) throw new Error("too wide");
  });
  const stored = await space.store(3, { tenantId: own });
  await eventually(async () => (await call("GET", "/v1/streams", key)).body.dead === 3, {
    timeoutMs: 20_000,
  });
  await eventually(async () => {
    const { body } = await call("GET", "/v1/streams", key);
    expect(body).toMatchObject({ accepted: stored, exported: stored - 3, oldest_unexported_seconds: null });
  });
  expect((await call("GET", "/v1/dead-letters?limit=2", key)).body).toMatchObject({ has_more: true });
  isMended = true;
  expect((await call("POST", "/v1/dead-letters/redrive", adminToken, {})).body).toEqual({ redriven: 3 });
  await eventually(() => entries.length === stored);
  const redriven = entries.filter((entry) => entry.merchant === "m1").map((entry) => entry.sequence);
  expect(redriven).toEqual([1, 2, 3]);
  await space.store(500, { tenantId: own });
  // Redis trims whole nodes, so that a few entries stay in each stream.
  await eventually(async () => (await space.length()) < 800, { timeoutMs: 20_000 });
  await streams.registry.drain("lake");
  await eventually(async () => (await streams.registry.list()).length === 0, { timeoutMs: 20_000 });
  const shown = await call("GET", "/v1/streams", adminToken);
  expect(shown.body).toMatchObject({ pressure: "none", groups: [], added: stored + 3 + 4_000 });
  expect(shown.body.memory_ratio).toBeGreaterThan(0);
  await space.end();
});
