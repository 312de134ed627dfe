import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { HeldPartition } from "@payflow/service-kit/streams/consumer.ts";
import { startGroup } from "@payflow/service-kit/streams/group.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import type { WarehouseExporter } from "../../src/exporters/exporter-settings.ts";
import { createFolderTarget } from "../../src/exporters/warehouse/targets/folder-target.ts";
import { warehouseConsumer } from "../../src/exporters/warehouse/warehouse-consumer.ts";
import { ExportSpace, judge, newTenant } from "./export-space.ts";

let stores: TestRedisPair;
let space: ExportSpace;

beforeAll(async () => {
  stores = await testRedis();
}, 60_000);
afterEach(() => space.end());
afterAll(() => stores.close());

interface Settings {
  readonly maxRows: number;
  readonly maxAgeSeconds?: number;
  readonly tenants?: WarehouseExporter["tenants"];
}

/** A process that exports until it has stored `files` files, of which it never gets to say so. */
async function dieAfterStoring(files: number, settings: Settings): Promise<void> {
  let stored = 0;
  const dying = (partition: HeldPartition): HeldPartition =>
    new Proxy(partition, {
      get(target, name) {
        if (name === "acknowledge" && stored >= files) return () => Promise.reject(new Error("killed"));
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const group = await exporting(settings, dying, () => {
    stored += 1;
  });
  await eventually(() => stored > files);
  await group.stop();
}

function exporting(
  { maxRows, maxAgeSeconds = 1, tenants = {} }: Settings,
  held: (partition: HeldPartition) => HeldPartition = (partition) => partition,
  onStored = () => {},
) {
  const { keys, redis, logger, metrics } = space;
  const consumer = warehouseConsumer({
    name: "lake",
    settings: {
      kind: "warehouse",
      settings: {
        format: "ndjson",
        target: { folder: "lake" },
        max_rows: maxRows,
        max_age_seconds: maxAgeSeconds,
      },
      tenants,
    },
    keys,
    targetOf: () => createFolderTarget(`${space.space.folder}/lake`),
    parkAfterMs: 1_000,
    onTrouble: () => {},
    onStored,
  });
  return startGroup({
    ...{ keys, redis, logger, metrics, partitions: 1, group: "exporter-lake" },
    ...{ maxBatch: 37, maxPending: 10_000, lingerMs: 1, tickMs: 20 },
    open: (partition) => consumer(held(partition)),
  });
}

const contents = () => new Map(space.files("lake").map((file) => [file, readFileSync(file).toString("hex")]));

test.each([
  ["smaller ones", { maxRows: 100 }, { maxRows: 30 }],
  ["larger ones", { maxRows: 30 }, { maxRows: 100 }],
  ["the same", { maxRows: 50 }, { maxRows: 50 }],
  ["ones by age", { maxRows: 45 }, { maxRows: 100_000, maxAgeSeconds: 1 }],
])(
  "a file stored without its acknowledgement is that file again, when later files are to be %s",
  async (_, before, after) => {
    space = await ExportSpace.open(stores.durable.url, { partitions: 1 });
    await space.append(newTenant(), 90);
    for (const files of [0, 1, 2]) {
      const acknowledged = space.files("lake").length;
      await dieAfterStoring(files, before);
      expect(space.files("lake").length).toBeGreaterThanOrEqual(acknowledged);
    }
    const stored = contents();
    await exporting(after).then((group) => space.defer(() => group.stop()));
    await eventually(() => judge(space.rows("lake")).events === 450);
    expect(judge(space.rows("lake"))).toEqual({ rows: 450, twice: 0, events: 450, gaps: 0 });
    // What a reader may have taken already has not changed.
    const now = contents();
    for (const [file, bytes] of stored) expect(now.get(file)).toBe(bytes);
  },
);

test("a tenant that gets or loses folders of its own meanwhile stays in the file that was stored", async () => {
  space = await ExportSpace.open(stores.durable.url, { partitions: 1 });
  const [first, second] = [newTenant(), newTenant()];
  for (let round = 0; round < 40; round += 1) {
    await space.append(first, 1, ["a"]);
    await space.append(second, 1, ["b"]);
  }
  await dieAfterStoring(0, { maxRows: 30 });
  const places = { [second]: { prefix: "second" } };
  await dieAfterStoring(1, { maxRows: 20, tenants: places });
  await exporting({ maxRows: 25 }).then((group) => space.defer(() => group.stop()));
  await eventually(() => judge(space.rows("lake")).events === 80);
  expect(judge(space.rows("lake"))).toEqual({ rows: 80, twice: 0, events: 80, gaps: 0 });
});
