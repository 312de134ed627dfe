import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { ExportSpace, newTenant } from "./fixture/export-space.ts";
import { type ExportedRow, judge } from "./fixture/exported-rows.ts";

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

test("tenants with folders of their own have their rows there, in files of their own, and nobody else's", async () => {
  space = await ExportSpace.open(stores.durable.url);
  const [first, second, third] = [newTenant(), newTenant(), newTenant()];
  await space.putWarehouse(
    "lake",
    { prefix: "all", max_rows: 60 },
    { [first]: { prefix: "first" }, [second]: { prefix: "deep/second", target: { folder: "theirs" } } },
  );
  for (let round = 0; round < 20; round += 1) {
    for (const tenantId of [first, second, third]) await space.append(tenantId, 2);
  }
  space.run();
  await drained("lake");
  const places = [
    [first, space.rows("lake", "first")],
    [second, space.rows("theirs", "deep", "second")],
    [third, space.rows("lake", "all")],
  ] as const;
  for (const [tenantId, rows] of places) {
    expect(judge(rows)).toEqual({ rows: 200, twice: 0, events: 200, gaps: 0 });
    expect(rows.every((row) => row.tenant_id === tenantId)).toBe(true);
  }
});

test("a tenant with few events holds its partition's position back for a while, and not for long", async () => {
  space = await ExportSpace.open(stores.durable.url, { partitions: 1 });
  const [quiet, busy] = [newTenant(), newTenant()];
  const settings = { max_age_seconds: 3_600, max_rows: 5_000 };
  await space.putWarehouse("lake", settings, { [quiet]: { prefix: "quiet" } });
  await space.append(quiet, 1, ["q"]);
  await space.append(busy, 4_500);
  space.run();
  await eventually(() => space.rows("lake", "quiet").length === 1, { timeoutMs: 20_000 });
  // What was acknowledged behind its row was remembered one by one until then.
  await eventually(async () => (await space.redis.hlen(space.keys.ahead(0, "exporter-lake"))) <= 1);
  expect((await space.read("lake")).lag.events).toBeLessThan(5_000);
}, 60_000);

test("Parquet holds the same rows as NDJSON", async () => {
  space = await ExportSpace.open(stores.durable.url);
  await space.putWarehouse("lines", { max_rows: 150 });
  await space.putWarehouse("columns", { format: "parquet", max_rows: 70 });
  await space.append(newTenant(), 100);
  space.run();
  await Promise.all([drained("lines"), drained("columns")]);
  const columns = await space.parquetRows("columns");
  expect(judge(columns)).toEqual({ rows: 500, twice: 0, events: 500, gaps: 0 });
  const byId = new Map(space.rows("lines").map((row) => [row.stream_id, row]));
  for (const { received_at, event_timestamp, ...row } of columns as (ExportedRow & {
    event_timestamp: Date;
  })[]) {
    const line = byId.get(row.stream_id);
    expect(line).toMatchObject(Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)));
    expect(new Date(received_at).toISOString()).toBe(line?.received_at ?? "");
    expect(event_timestamp.toISOString()).toBe("2026-11-21T12:00:00.123Z");
  }
});

test("an entry that is no event becomes a dead letter and holds nothing up; redriven, it is one again", async () => {
  space = await ExportSpace.open(stores.durable.url);
  await space.putWarehouse("lake", { max_rows: 10 });
  const tenantId = newTenant();
  await space.append(tenantId, 5);
  await space.appendText(tenantId, "m1", 6, '{"event_id": "broken"');
  await space.append(tenantId, 5, ["m2", "m3"]);
  space.run();
  await drained("lake");
  expect(judge(space.rows("lake"))).toEqual({ rows: 35, twice: 0, events: 35, gaps: 0 });
  expect(await space.redrive()).toBe(1);
  await eventually(async () => (await space.redrive()) === 1);
  expect(space.rows("lake")).toHaveLength(35);
});

test("a link in the folder leads no file out of it", async () => {
  space = await ExportSpace.open(stores.durable.url);
  const outside = path.join(space.space.folder, "outside");
  mkdirSync(outside);
  mkdirSync(path.join(space.space.folder, "lake"));
  symlinkSync(outside, path.join(space.space.folder, "lake", "link"));
  await space.putWarehouse("lake", { prefix: "link/below" });
  space.run();
  await space.append(newTenant(), 1);
  await eventually(async () => (await space.read("lake")).trouble?.message.includes("link") === true);
  expect(readdirSync(outside)).toEqual([]);
});

test("what a killed process left of a file is gone, and is never taken for a file", async () => {
  space = await ExportSpace.open(stores.durable.url);
  const partial = path.join(space.space.folder, "lake", ".partial");
  mkdirSync(partial, { recursive: true });
  writeFileSync(path.join(partial, "lake-000-1-0.ndjson.zst.left"), "half a file");
  const old = new Date(Date.now() - 2 * 86_400_000);
  utimesSync(path.join(partial, "lake-000-1-0.ndjson.zst.left"), old, old);
  await space.putWarehouse("lake");
  space.run();
  await space.append(newTenant(), 1);
  await drained("lake");
  await eventually(() => space.rows("lake").length === 5);
  await eventually(() => readdirSync(partial).length === 0);
});
