import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { HeldPartition } from "@payflow/service-kit/streams/consumer.ts";
import { startGroup } from "@payflow/service-kit/streams/group.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import type { WarehouseExporter } from "../../src/exporters/exporter-settings.ts";
import { createFolderTarget } from "../../src/exporters/warehouse/targets/folder-target.ts";
import { warehouseConsumer } from "../../src/exporters/warehouse/warehouse-consumer.ts";
import { ExportSpace, newTenant } from "./fixture/export-space.ts";
import { judge, readNdjson, readParquet } from "./fixture/exported-rows.ts";

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
  readonly format?: "ndjson" | "parquet";
  readonly prefix?: string;
}

/** A process that exports until it has stored `files` files, of which it never gets to say so. */
async function dieAfterStoring(files: number, settings: Settings): Promise<void> {
  let stored = 0;
  const dying = (partition: HeldPartition): HeldPartition =>
    new Proxy(partition, {
      get(target, name) {
        if (name === "step" && stored >= files) {
          return (...args: Parameters<HeldPartition["step"]>) =>
            args[3] === undefined ? target.step(...args) : Promise.reject(new Error("killed"));
        }
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
  { maxRows, maxAgeSeconds = 1, tenants = {}, format = "ndjson", prefix }: Settings,
  held: (partition: HeldPartition) => HeldPartition = (partition) => partition,
  onStored = () => {},
) {
  const { keys, redis, logger, metrics } = space;
  const consumer = warehouseConsumer({
    name: "lake",
    settings: {
      kind: "warehouse",
      settings: {
        format,
        ...(prefix === undefined ? {} : { prefix }),
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

interface Change {
  readonly tenants?: boolean;
  readonly prefix?: string;
  readonly format?: "parquet";
}

/** Every row that was exported, whatever the format of its file. */
async function allRows() {
  const files = space.files("lake");
  const rows = await Promise.all(
    files.map((file) => (file.endsWith(".parquet") ? readParquet(file) : readNdjson(file))),
  );
  return rows.flat();
}

test.each<[string, Change, Change]>([
  ["a tenant's folders", { tenants: true }, {}],
  ["a tenant's new folders", {}, { tenants: true }],
  ["a tenant's other folders", { tenants: true }, { tenants: true, prefix: "b" }],
  ["the format", { format: "parquet" }, {}],
  ["the exporter's folders", { prefix: "a/b" }, { prefix: "c" }],
])(
  "settings that change %s between a file and its acknowledgement export none of its rows twice",
  async (_, before, after) => {
    space = await ExportSpace.open(stores.durable.url, { partitions: 1 });
    const tenants = [newTenant(), newTenant(), newTenant()] as const;
    const settingsOf = ({ tenants: hasTenants = false, ...rest }: Change) => ({
      ...rest,
      ...(hasTenants ? { tenants: { [tenants[1]]: { prefix: `of-${rest.prefix ?? "one"}` } } } : {}),
    });
    for (let round = 0; round < 40; round += 1) {
      for (const tenantId of tenants) await space.append(tenantId, 3, ["a"]);
    }
    for (const files of [0, 2, 3, 1, 4]) {
      await dieAfterStoring(files, { maxRows: 15, ...settingsOf(before) });
      await dieAfterStoring(files, { maxRows: 20, ...settingsOf(after) });
    }
    await exporting({ maxRows: 10, ...settingsOf(after) }).then((group) => space.defer(() => group.stop()));
    await eventually(async () => judge(await allRows()).events === 360);
    expect(judge(await allRows())).toEqual({ rows: 360, twice: 0, events: 360, gaps: 0 });
  },
);
