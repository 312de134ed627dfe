import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { ExportSpace, judge, newTenant } from "./export-space.ts";

let stores: TestRedisPair;
let space: ExportSpace;

beforeAll(async () => {
  stores = await testRedis();
}, 60_000);
afterEach(() => space.end());
afterAll(() => stores.close());

const drained = (name: string) =>
  eventually(async () => (await space.read(name)).lag.events === 0, { timeoutMs: 20_000 });

test("every event stands in one row of one file, in its merchant's order", async () => {
  space = await ExportSpace.open(stores.durable.url);
  await space.putWarehouse("lake", { max_rows: 100 });
  const tenantId = newTenant();
  await space.append(tenantId, 200);
  space.run();
  await drained("lake");
  const rows = space.rows("lake");
  expect(judge(rows)).toEqual({ rows: 1_000, twice: 0, events: 1_000, gaps: 0 });
  expect(rows[0]).toMatchObject({
    tenant_id: tenantId,
    mode: "live",
    event_type: "payment_failed",
    event_timestamp: "2026-11-21T12:00:00.123456Z",
    channel: "web – ünïcode",
  });
  expect(space.files("lake").length).toBeGreaterThanOrEqual(10);
});
