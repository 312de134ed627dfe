import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { removeTenantPlace } from "../../src/exporters/catalog/remove-exporter.ts";
import { createUpkeepStore } from "../../src/streams/upkeep/upkeep.store.ts";
import { ExportSpace, newTenant } from "./fixture/export-space.ts";
import { judge } from "./fixture/exported-rows.ts";

const awayMs = process.env.PAYFLOW_THOROUGH === "1" ? 60_000 : 3_000;

let stores: TestRedisPair;
let space: ExportSpace;

beforeAll(async () => {
  stores = await testRedis();
}, 60_000);
afterEach(() => space.end());
afterAll(() => stores.close());

const lag = async (name: string) => (await space.read(name)).lag;
const deadLetters = async () => {
  const partitions = Array.from({ length: space.space.partitions }, (_, partition) => partition);
  const lengths = await Promise.all(partitions.map((one) => space.redis.xlen(space.keys.dead(one))));
  return lengths.reduce((sum, one) => sum + one, 0);
};
const complete = (...below: string[]) =>
  eventually(() => judge(space.rows(...below)).events === space.appended, { timeoutMs: 30_000 });

test(`a target that is away for ${awayMs / 1_000} s costs nothing: its lag shows, and it catches up by itself`, async () => {
  space = await ExportSpace.open(stores.durable.url);
  const tenantId = newTenant();
  await space.putWarehouse("lake", { max_rows: 50 });
  await space.putWarehouse("other", { max_rows: 50 });
  space.run();
  await space.append(tenantId, 20);
  await complete("lake");
  space.takeAway("lake");
  const until = performance.now() + awayMs;
  while (performance.now() < until) {
    await space.append(tenantId, 2);
    await Bun.sleep(100);
  }
  await complete("other");
  const behind = await lag("lake");
  expect(behind.events).toBeGreaterThan(50);
  expect(behind.seconds).toBeGreaterThan(awayMs / 2_000);
  expect((await space.read("lake")).trouble?.message).toContain("ENOTDIR");
  expect((await lag("other")).seconds).toBeLessThan(behind.seconds);
  space.bringBack("lake");
  await complete("lake");
  expect(judge(space.rows("lake"))).toEqual({
    rows: space.appended,
    twice: 0,
    events: space.appended,
    gaps: 0,
  });
  expect(await deadLetters()).toBe(0);
  await eventually(async () => (await lag("lake")).events === 0);
  await eventually(async () => (await space.read("lake")).trouble === null);
}, 120_000);

test("a tenant whose own target is away holds nobody back, and gets everything in order once it is back", async () => {
  space = await ExportSpace.open(stores.durable.url);
  const [theirs, others] = [newTenant(), newTenant()];
  await space.putWarehouse("lake", { max_rows: 40 }, { [theirs]: { target: { folder: "theirs" } } });
  space.takeAway("theirs");
  space.run();
  for (let round = 0; round < 10; round += 1) {
    await space.append(theirs, 10);
    await space.append(others, 10);
  }
  await eventually(() => judge(space.rows("lake")).rows === 500);
  expect(new Set(space.rows("lake").map((row) => row.tenant_id))).toEqual(new Set([others]));
  // The partitions are read to their ends, so that they can be trimmed: the tenant's wait elsewhere.
  await eventually(async () => (await lag("lake")).events === 0);
  const { parked } = await space.read("lake");
  expect(parked).toEqual([
    expect.objectContaining({ tenant_id: theirs, events: 500, bytes: expect.any(Number) }),
  ]);
  expect(parked[0]?.trouble?.message).toContain("ENOTDIR");
  await space.append(theirs, 10);
  space.bringBack("theirs");
  await eventually(() => space.rows("theirs").length > 0, { timeoutMs: 30_000 });
  await space.append(theirs, 10);
  await eventually(() => judge(space.rows("theirs")).events === 600, { timeoutMs: 30_000 });
  expect(judge(space.rows("theirs"))).toEqual({ rows: 600, twice: 0, events: 600, gaps: 0 });
  await eventually(async () => (await space.read("lake")).parked.length === 0);
  // Files came in the order of their rows, whether those had been parked or not.
  const inTurn = space.rowsAsWritten("theirs");
  for (const merchant of ["m1", "m2", "m3", "m4", "m5"]) {
    const sequences = inTurn.filter((row) => row.merchant_id_hash === merchant).map((row) => row.sequence);
    expect(sequences).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
  }
  expect(await deadLetters()).toBe(0);
}, 60_000);

test("what is parked goes out by way of all others when the tenant's own place is taken away", async () => {
  space = await ExportSpace.open(stores.durable.url);
  const tenantId = newTenant();
  await space.putWarehouse("lake", {}, { [tenantId]: { target: { folder: "theirs" } } });
  space.takeAway("theirs");
  space.run();
  await space.append(tenantId, 20);
  await eventually(async () => (await space.read("lake")).parked[0]?.events === 100);
  await space.putWarehouse("lake");
  await space.append(tenantId, 20);
  await eventually(() => judge(space.rows("lake")).events === 200, { timeoutMs: 30_000 });
  expect(judge(space.rows("lake"))).toEqual({ rows: 200, twice: 0, events: 200, gaps: 0 });
}, 60_000);

test("a parking that is full has its tenant's events refused until it is dropped", async () => {
  space = await ExportSpace.open(stores.durable.url);
  const [theirs, others] = [newTenant(), newTenant()];
  await space.putWarehouse("lake", {}, { [theirs]: { target: { folder: "theirs" } } });
  space.takeAway("theirs");
  const maxmemory = ((await space.redis.config("GET", "maxmemory")) as string[])[1] ?? "0";
  await space.redis.config("SET", "maxmemory", String(32 * 1024 * 1024));
  try {
    space.run();
    const { pressure } = space.look();
    await space.append(theirs, 20);
    await space.append(others, 20);
    await eventually(async () => (await space.read("lake")).parked[0]?.events === 100);
    const { fullParkings } = createUpkeepStore(space.redis, space.keys);
    expect(await fullParkings()).toEqual(new Set());
    await space.append(theirs, 1_000);
    await eventually(async () => (await fullParkings()).has(theirs));
    // Whoever takes events refuses the tenant's, and nobody else's.
    await eventually(() => pressure.isAbove(theirs));
    expect(pressure.isAbove(others)).toBe(false);
    await removeTenantPlace(space.routes, "lake", theirs);
    await eventually(() => !pressure.isAbove(theirs));
    expect((await space.read("lake")).parked).toEqual([]);
  } finally {
    await space.redis.config("SET", "maxmemory", maxmemory);
  }
}, 60_000);
