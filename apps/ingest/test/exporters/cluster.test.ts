import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisCluster, testRedisCluster } from "@payflow/testkit/redis-cluster.ts";
import { removeExporter, removeTenantPlace } from "../../src/exporters/catalog/remove-exporter.ts";
import { ExportSpace, newTenant } from "./fixture/export-space.ts";
import { judge } from "./fixture/exported-rows.ts";

let cluster: TestRedisCluster;
let space: ExportSpace;

beforeAll(async () => {
  cluster = await testRedisCluster();
}, 120_000);
afterEach(() => space.end());
afterAll(() => cluster.close());

test("on a Redis Cluster exporters are set up, export, park, and go, as on one server", async () => {
  space = await ExportSpace.open(cluster.urls, { partitions: 8 });
  const [theirs, others] = [newTenant(), newTenant()];
  await space.putWarehouse("lake", { max_rows: 50 }, { [theirs]: { target: { folder: "theirs" } } });
  space.takeAway("theirs");
  space.run();
  await space.append(theirs, 40);
  await space.append(others, 40);
  await eventually(() => judge(space.rows("lake")).events === 200, { timeoutMs: 20_000 });
  await eventually(async () => (await space.read("lake")).parked[0]?.events === 200, { timeoutMs: 20_000 });
  space.bringBack("theirs");
  await eventually(() => judge(space.rows("theirs")).events === 200, { timeoutMs: 30_000 });
  expect(judge(space.rows("theirs"))).toEqual({ rows: 200, twice: 0, events: 200, gaps: 0 });
  expect(judge(space.rows("lake"))).toEqual({ rows: 200, twice: 0, events: 200, gaps: 0 });
  await removeTenantPlace(space.routes, "lake", theirs);
  await removeExporter(space.routes, "lake", true);
  expect(await space.routes.exporters.list()).toEqual([]);
}, 90_000);
