import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { putExporter } from "../../src/exporters/catalog/put-exporter.ts";
import { ExportSpace, internalSecret, newTenant } from "./fixture/export-space.ts";

let stores: TestRedisPair;
let space: ExportSpace;

beforeAll(async () => {
  stores = await testRedis();
}, 60_000);
beforeEach(async () => {
  space = await ExportSpace.open(stores.durable.url);
});
afterEach(() => space.end());
afterAll(() => stores.close());

function fileOf(value: unknown): string {
  const file = path.join(space.space.folder, `${crypto.randomUUID()}.json`);
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
  return file;
}

/** Starts the app as it is installed, and gives what it says when it ends. */
async function startApp(env: Record<string, string>): Promise<{ exitCode: number; said: string }> {
  const port = await reservePort();
  const app = Bun.spawn({
    cmd: ["bun", "--no-env-file", path.join(import.meta.dir, "../../src/main.ts")],
    env: {
      PATH: process.env.PATH ?? "",
      PORT: String(port),
      INTERNAL_PORT: String(await reservePort()),
      REDIS_URL: stores.cache.url,
      DURABLE_REDIS_URL: stores.durable.url,
      INTERNAL_SERVICE_SECRET: internalSecret,
      ADMIN_TOKEN: "the admin token of the exporters' tests",
      ...env,
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = (await new Response(app.stderr).text()) + (await new Response(app.stdout).text());
  return { exitCode: await app.exited, said };
}

test("a wrong file ends the start with everything that is wrong in it, and no secret", async () => {
  const s3 = { bucket: "B", access_key_id: "k", secret_access_key: "a secret of the bucket" };
  const file = fileOf({
    exporters: {
      lake: { kind: "warehouse", settings: { format: "csv", target: { folder: "../x" } } },
      bucket: { kind: "warehouse", settings: { format: "parquet", target: { s3 } }, tenants: { t: {} } },
      Name: { kind: "webhook" },
      queue: { kind: "kafka", settings: { brokers: ["b"], topic: "t" } },
    },
  });
  const env = { INGEST_EXPORTERS_FILE: file, INGEST_EXPORT_FOLDER: space.space.folder };
  const { exitCode, said } = await startApp(env);
  expect(exitCode).toBe(78);
  for (const problem of [
    "/exporters/lake/settings/format",
    "/exporters/lake/settings/target/folder",
    "/exporters/bucket/settings/target/s3/bucket",
    "/exporters/bucket/tenants/t",
    "/exporters/Name",
    "/exporters/queue/settings/brokers/0",
  ]) {
    expect(said).toContain(problem);
  }
  expect(said).not.toContain("a secret of");
}, 30_000);

test.each([
  ["nothing there", "/nowhere/exporters.json", "cannot be read"],
  ["no JSON", "{", "is not JSON"],
  ["no exporters", "[]", "must be an object"],
])(
  "a file with %s ends the start too",
  async (_, text, problem) => {
    const file = text.startsWith("/") ? text : fileOf(text);
    const { exitCode, said } = await startApp({ INGEST_EXPORTERS_FILE: file });
    expect([exitCode, said.includes(problem)]).toEqual([78, true]);
  },
  30_000,
);

test("what stands in the file runs, is changed there alone, and drains once it stands there no more", async () => {
  const lake = {
    kind: "warehouse",
    settings: { format: "ndjson", target: { folder: "lake" }, max_age_seconds: 1 },
  };
  await space.put("byhand", { kind: "webhook" });
  const first = space.run(fileOf({ exporters: { lake } }));
  space.look();
  await space.append(newTenant(), 10);
  await eventually(() => space.rows("lake").length === 50);
  expect((await space.read("lake")).source).toBe("file");
  expect(putExporter(space.routes, "lake", lake)).rejects.toMatchObject({ reason: "invalid_state" });
  await first.stop();
  // The same file again changes nothing.
  const { updated_at: before } = await space.read("lake");
  const second = space.run(fileOf({ exporters: { lake } }));
  await space.append(newTenant(), 10);
  await eventually(() => space.rows("lake").length === 100);
  expect((await space.read("lake")).updated_at).toBe(before);
  await second.stop();
  await space.append(newTenant(), 10);
  space.run(fileOf({ exporters: {} }));
  await eventually(() => space.rows("lake").length === 150, { timeoutMs: 20_000 });
  await eventually(async () => (await space.routes.exporters.get("lake")) === null, { timeoutMs: 20_000 });
  expect((await space.read("byhand")).source).toBe("api");
}, 60_000);

test("an exporter that cannot be set up as the file has it keeps no other from running", async () => {
  const folder = (name: string) => ({
    kind: "warehouse",
    settings: { format: "ndjson", target: { folder: name }, max_age_seconds: 1 },
  });
  await space.put("byhand", folder("byhand"));
  await space.put("lake", folder("lake"));
  space.run(fileOf({ exporters: { lake: { kind: "webhook" }, second: folder("second") } }));
  await space.append(newTenant(), 10);
  for (const name of ["byhand", "lake", "second"]) {
    await eventually(() => space.rows(name).length === 50, { timeoutMs: 10_000 });
  }
  expect(await space.read("lake")).toMatchObject({ kind: "warehouse", source: "api" });
}, 30_000);
