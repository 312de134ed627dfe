import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import path from "node:path";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Redis } from "ioredis";

setDefaultTimeout(60_000);

let pair: TestRedisPair;
let admin: Redis;
const running: Bun.Subprocess[] = [];

beforeAll(async () => {
  pair = await testRedis();
  admin = new Redis(pair.durable.url);
  admin.on("error", () => {});
});
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(running.map((child) => child.exited));
  admin.disconnect();
  await pair.close();
});

async function start(settings: Readonly<Record<string, string>> = {}) {
  const [port, internalPort] = [await reservePort(), await reservePort()];
  const main = path.join(import.meta.dir, "../../src/main.ts");
  const child = Bun.spawn([process.execPath, "--no-env-file", main], {
    env: {
      ...{ PATH: process.env.PATH, PORT: `${port}`, INTERNAL_PORT: `${internalPort}`, LOG_LEVEL: "silent" },
      ...{ REDIS_URL: pair.cache.url, DURABLE_REDIS_URL: pair.durable.url },
      ...{ INTERNAL_SERVICE_SECRET: "i".repeat(32), ADMIN_TOKEN: "a".repeat(32) },
      ...settings,
    },
    stdout: "ignore",
    stderr: "pipe",
  });
  running.push(child);
  /** Of a route of its internal port; 0 while it does not listen. */
  const status = (route: string) =>
    fetch(`http://127.0.0.1:${internalPort}${route}`).then(
      (answer) => answer.status,
      () => 0,
    );
  return { child, status };
}

/** What a process says that ends by itself. */
async function ending(settings: Readonly<Record<string, string>>): Promise<readonly [number, string]> {
  const { child } = await start(settings);
  return [await child.exited, await new Response(child.stderr as ReadableStream).text()]; // piped above
}

test("ingest refuses to start, with status 78, on a Redis that may lose events", async () => {
  await admin.config("SET", "appendfsync", "everysec");
  const [status, said] = await ending({});
  await admin.config("SET", "appendfsync", "always");
  expect(status).toBe(78);
  expect(said).toContain("DURABLE_REDIS_URL: set appendfsync to always");
});

test("in memory mode it refuses to share the bus's Redis, by one setting or by two", async () => {
  const [status, said] = await ending({ INGEST_DURABILITY: "memory" });
  expect(said).toContain("INGEST_REDIS_URL");
  expect(status).toBe(78);
  const other = pair.durable.url.replace("127.0.0.1", "localhost");
  const [second, why] = await ending({ INGEST_DURABILITY: "memory", INGEST_REDIS_URL: other });
  expect(why).toContain("needs a Redis of its own");
  expect(second).toBe(78);
});

test("it refuses to start with another number of partitions than the streams have", async () => {
  const { child, status } = await start();
  await eventually(async () => (await status("/readyz")) === 200, { timeoutMs: 20_000 });
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  const [code, said] = await ending({ INGEST_PARTITIONS: "8" });
  expect(code).toBe(78);
  expect(said).toContain("set it to 16");
});

test("with its Redis away it starts, lives and is not ready, until Redis is there", async () => {
  await pair.durable.stop();
  const { child, status } = await start();
  await eventually(async () => (await status("/livez")) === 200, { timeoutMs: 20_000 });
  expect(await status("/readyz")).toBe(503);
  await pair.durable.start();
  await eventually(async () => (await status("/readyz")) === 200, { timeoutMs: 20_000 });
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});
