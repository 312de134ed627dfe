import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { ExportSpace, newTenant } from "./fixture/export-space.ts";
import { type ExportedRow, judge, readNdjson, readParquet } from "./fixture/exported-rows.ts";
import { type S3Server, startS3Server } from "./fixture/s3-server.ts";

let stores: TestRedisPair;
let server: S3Server;
let space: ExportSpace;

beforeAll(async () => {
  [stores, server] = await Promise.all([testRedis(), startS3Server()]);
}, 180_000);
afterEach(() => space.end());
afterAll(async () => {
  await server.stop();
  await stores.close();
});

const target = () => ({
  s3: {
    ...{ bucket: server.bucket, endpoint: server.endpoint, region: "us-east-1" },
    ...{ access_key_id: "key", secret_access_key: "a secret of the bucket" },
  },
});

/** The rows of all objects below a prefix. */
async function rowsBelow(prefix: string): Promise<ExportedRow[]> {
  const listed = await server.client.list({ prefix: `${prefix}/` });
  const rows = (listed.contents ?? []).map(async ({ key }) => {
    const file = path.join(space.space.folder, key);
    mkdirSync(path.dirname(file), { recursive: true });
    await Bun.write(file, await server.client.file(key).bytes());
    return file.endsWith(".parquet") ? readParquet(file) : readNdjson(file);
  });
  return (await Promise.all(rows)).flat();
}

test.each(["ndjson", "parquet"])(
  "a bucket gets every event once, as %s, also when it is away for a while",
  async (format) => {
    space = await ExportSpace.open(stores.durable.url);
    const theirs = newTenant();
    const name = `lake-${format}`;
    await space.putWarehouse(
      name,
      { format, target: target(), prefix: `${name}/all`, max_rows: 100 },
      { [theirs]: { prefix: `${name}/theirs` } },
    );
    space.run();
    await space.append(newTenant(), 60);
    await space.append(theirs, 30);
    await eventually(async () => (await rowsBelow(`${name}/theirs`)).length === 150, { timeoutMs: 20_000 });
    await eventually(async () => (await rowsBelow(`${name}/all`)).length === 300);
    await server.stop();
    await space.append(theirs, 30);
    await eventually(
      async () => (await space.read(name)).trouble?.message.includes("ConnectionRefused") === true,
    );
    await server.start();
    await eventually(async () => (await rowsBelow(`${name}/theirs`)).length === 150, { timeoutMs: 20_000 });
    // The server forgot what it had before it was stopped.
    const rows = await rowsBelow(`${name}/theirs`);
    expect(judge(rows)).toMatchObject({ rows: 150, twice: 0 });
    expect(rows.every((row) => row.tenant_id === theirs && row.sequence > 30)).toBe(true);
  },
  60_000,
);

test("a bucket's secret is shown to nobody and stands sealed in Redis, and stays when it is left out", async () => {
  space = await ExportSpace.open(stores.durable.url);
  const settings = { format: "ndjson", max_age_seconds: 1 };
  await space.put("lake", { kind: "warehouse", settings: { ...settings, target: target() } });
  expect(JSON.stringify(await space.read("lake"))).not.toContain("a secret of");
  expect(JSON.stringify(await space.redis.hgetall(space.keys.exporters()))).not.toContain("a secret of");
  const { secret_access_key: _, ...withoutSecret } = target().s3;
  const again = { ...settings, target: { s3: withoutSecret }, prefix: "kept" };
  await space.put("lake", { kind: "warehouse", settings: again });
  const [kept] = await space.routes.exporters.list();
  expect(JSON.stringify(kept?.settings)).toContain("a secret of the bucket");
  // Nor is it sent to any other server.
  const elsewhere = { s3: { ...withoutSecret, endpoint: "http://127.0.0.1:9" } };
  expect(
    space.put("lake", { kind: "warehouse", settings: { ...settings, target: elsewhere } }),
  ).rejects.toMatchObject({
    reason: "invalid_request",
    errors: [{ pointer: "/settings/target/s3/secret_access_key", message: "Expected required property" }],
  });
});
