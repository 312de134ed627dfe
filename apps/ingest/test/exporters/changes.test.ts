import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { DomainError } from "@payflow/contracts/errors.ts";
import { settled } from "@payflow/service-kit/store/redis.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { putExporter } from "../../src/exporters/catalog/put-exporter.ts";
import { removeExporter } from "../../src/exporters/catalog/remove-exporter.ts";
import { groupOf } from "../../src/exporters/exporter.ts";
import { ExportSpace } from "./fixture/export-space.ts";

let stores: TestRedisPair;
let space: ExportSpace;
let replica: ExportSpace;

beforeAll(async () => {
  stores = await testRedis();
}, 60_000);
beforeEach(async () => {
  space = await ExportSpace.open(stores.durable.url);
  replica = new ExportSpace(space.space);
  await settled(replica.redis);
});
afterEach(async () => {
  await replica.end();
  await space.end();
});
afterAll(() => stores.close());

const warehouse = { kind: "warehouse", settings: { format: "ndjson", target: { folder: "lake" } } };

/** Several changes at once; a refusal is an answer like any other, and anything else a failure. */
async function atOnce(...changes: (() => Promise<unknown>)[]): Promise<number> {
  const outcomes = await Promise.allSettled(changes.map((change) => change()));
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  for (const { reason } of refused) expect(reason).toBeInstanceOf(DomainError);
  return outcomes.length - refused.length;
}

/** In how many partitions the streams' Redis has a group. */
async function partitionsWith(group: string): Promise<number> {
  let count = 0;
  for (let partition = 0; partition < space.space.partitions; partition += 1) {
    const key = space.keys.events(partition);
    const groups = (await space.redis.exists(key)) === 0 ? [] : await space.redis.xinfo("GROUPS", key);
    if (JSON.stringify(groups).includes(JSON.stringify(group))) count += 1;
  }
  return count;
}

/** The exporter with its group: both of one change, never half of each of two. */
async function expectWhole(name: string): Promise<void> {
  const exporter = await space.routes.exporters.get(name);
  const place = (await space.registry.list()).find(({ group }) => group === groupOf(name));
  const expected = exporter?.state === "running" ? "active" : exporter?.state;
  expect(place?.state).toBe(expected);
  if (exporter !== null) expect(place?.kind).toBe(exporter.settings.kind);
  expect(await partitionsWith(groupOf(name))).toBe(place === undefined ? 0 : space.space.partitions);
}

test("settings that are put and deleted at once by two replicas leave an exporter as one of them has it", async () => {
  for (let round = 0; round < 25; round += 1) {
    const name = `lake-${round}`;
    if (round % 2 === 0) await putExporter(space.routes, name, warehouse);
    await atOnce(
      () => putExporter(space.routes, name, warehouse),
      () => removeExporter(replica.routes, name, round % 3 === 0),
      () => putExporter(replica.routes, name, { kind: "webhook" }),
      () => putExporter(space.routes, name, { kind: "webhook" }),
      () => removeExporter(space.routes, name, true),
      () => putExporter(replica.routes, name, warehouse),
    );
    await expectWhole(name);
    await atOnce(() => removeExporter(space.routes, name, true));
  }
}, 60_000);

test("of thirty exporters that are set up at once there is room for twenty at most", async () => {
  const names = Array.from({ length: 30 }, (_, index) => `hooks-${index}`);
  const made = await atOnce(
    ...names.map((name, index) => () => {
      const { routes } = index % 2 === 0 ? space : replica;
      return putExporter(routes, name, { kind: "webhook" });
    }),
  );
  expect(made).toBeLessThanOrEqual(20);
  expect(await space.routes.exporters.list()).toHaveLength(made);
}, 60_000);

test("a group that is registered and removed at once is there as a whole, or not at all", async () => {
  for (let round = 0; round < 25; round += 1) {
    const group = `mine-${round}`;
    await space.registry.register(group, "outside", "0");
    await atOnce(
      () => space.registry.deregister(group),
      () => replica.registry.register(group, "outside", "$"),
      () => space.registry.register(group, "outside", "0"),
      () => replica.registry.deregister(group),
      () => replica.registry.register(group, "outside", "0"),
    );
    const isListed = (await space.registry.list()).some((one) => one.group === group);
    expect(await partitionsWith(group)).toBe(isListed ? space.space.partitions : 0);
  }
}, 60_000);

test("what a process writes after its turn is refused", async () => {
  await space.putWarehouse("lake");
  const { exporters } = space.routes;
  const late = exporters.change(async (change) => {
    const lake = await exporters.get("lake");
    // As after a process was frozen: its turn has ended, and another has begun.
    await space.redis.del(space.keys.change("exporters"));
    await removeExporter(replica.routes, "lake", true);
    if (lake !== null) await change.put(lake);
  });
  await expect(late).rejects.toMatchObject({ reason: "invalid_state" });
  expect(await exporters.list()).toEqual([]);
});

test("a deletion that broke off before its group drained is ended by the processes that export", async () => {
  await space.putWarehouse("lake");
  const { exporters } = space.routes;
  await exporters.change(async (change) => {
    const lake = await exporters.get("lake");
    if (lake !== null) await change.put({ ...lake, state: "draining" });
  });
  space.run();
  space.look();
  await eventually(async () => (await exporters.get("lake")) === null, { timeoutMs: 20_000 });
  expect(await space.registry.list()).toEqual([]);
}, 30_000);
