import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { ExportSpace, newTenant } from "./fixture/export-space.ts";
import { judge } from "./fixture/exported-rows.ts";

const isThorough = process.env.PAYFLOW_THOROUGH === "1";
const kills = isThorough ? 40 : 12;
const patienceMs = isThorough ? 500_000 : 180_000;

let stores: TestRedisPair;
let space: ExportSpace;
const children = new Set<Bun.Subprocess>();

beforeAll(async () => {
  stores = await testRedis();
}, 60_000);
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await space.end();
});
afterAll(() => stores.close());

async function startReplica() {
  const child = Bun.spawn({
    cmd: ["bun", path.join(import.meta.dir, "fixture/exporter-process.ts"), JSON.stringify(space.space)],
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env },
  });
  children.add(child);
  void child.exited.then(() => children.delete(child));
  await child.stdout.getReader().read();
  return child;
}

test(
  `two replicas that are killed ${kills} times at any moment lose no event and export none twice`,
  async () => {
    space = await ExportSpace.open(stores.durable.url);
    await space.putWarehouse("lake", { max_rows: 250, max_bytes: 100_000 });
    await space.putWarehouse("columns", { format: "parquet", max_rows: 400 });
    const tenants = [newTenant(), newTenant()];
    let isOver = false;
    const appending = (async () => {
      while (!isOver) {
        for (const tenantId of tenants) await space.append(tenantId, 4);
        await Bun.sleep(2);
      }
    })();
    const replicas = [await startReplica(), await startReplica()];
    for (let kill = 0; kill < kills; kill += 1) {
      // Random moments are what is tried here.
      await Bun.sleep(100 + Math.random() * 500);
      const victim = kill % 2;
      replicas[victim]?.kill("SIGKILL");
      replicas[victim] = await startReplica();
    }
    isOver = true;
    await appending;
    const isDone = async (name: string) => (await space.read(name)).lag.events === 0;
    await eventually(async () => (await isDone("lake")) && (await isDone("columns")), { timeoutMs: 60_000 });
    const { appended } = space;
    expect(appended).toBeGreaterThan(1_000);
    const exported = judge(space.rows("lake"));
    expect(exported).toEqual({ rows: appended, twice: 0, events: appended, gaps: 0 });
    const columns = judge(await space.parquetRows("columns"));
    expect(columns).toEqual({ rows: appended, twice: 0, events: appended, gaps: 0 });
    // What is left of files that were being written is not among them, and ends are clean.
    for (const replica of replicas) replica.kill("SIGTERM");
    expect(await Promise.all(replicas.map((replica) => replica.exited))).toEqual([0, 0]);
  },
  patienceMs,
);

test(
  "kills while a tenant's own target comes and goes lose nothing of the tenant's and export none twice",
  async () => {
    space = await ExportSpace.open(stores.durable.url, { parkAfterMs: 200 });
    const [theirs, others] = [newTenant(), newTenant()];
    await space.putWarehouse("lake", { max_rows: 60 }, { [theirs]: { target: { folder: "theirs" } } });
    let isOver = false;
    let count = 0;
    const appending = (async () => {
      while (!isOver) {
        await space.append(theirs, 3);
        await space.append(others, 1);
        count += 1;
        await Bun.sleep(5);
      }
    })();
    const replicas = [await startReplica(), await startReplica()];
    for (let kill = 0; kill < kills; kill += 1) {
      if (kill % 4 === 0) space.takeAway("theirs");
      if (kill % 4 === 2) space.bringBack("theirs");
      await Bun.sleep(200 + Math.random() * 600);
      const victim = kill % 2;
      replicas[victim]?.kill("SIGKILL");
      replicas[victim] = await startReplica();
    }
    isOver = true;
    await appending;
    const all = () => judge(space.rows("theirs")).events === 15 * count;
    await eventually(all, { timeoutMs: 60_000, everyMs: 200 });
    await eventually(async () => (await space.read("lake")).parked.length === 0, { timeoutMs: 30_000 });
    const figures = { twice: 0, gaps: 0 };
    expect(judge(space.rows("theirs"))).toEqual({ rows: 15 * count, events: 15 * count, ...figures });
    expect(judge(space.rows("lake"))).toEqual({ rows: 5 * count, events: 5 * count, ...figures });
  },
  patienceMs,
);
