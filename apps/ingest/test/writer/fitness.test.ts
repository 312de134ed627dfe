import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { ConfigError } from "@payflow/service-kit/process/config.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Redis } from "ioredis";
import { event, WriterSpace } from "./writer-fixture.ts";

let pair: TestRedisPair;
let admin: Redis;
const spaces: WriterSpace[] = [];

beforeAll(async () => {
  pair = await testRedis();
  admin = new Redis(pair.durable.url);
  admin.on("error", () => {});
});
beforeEach(async () => {
  for (const [name, value] of Object.entries(fit)) await admin.config("SET", name, value);
});
afterEach(async () => {
  for (const space of spaces.splice(0)) await space.end();
});
afterAll(async () => {
  admin.disconnect();
  await pair.close();
});

const fit = {
  appendonly: "yes",
  appendfsync: "always",
  "no-appendfsync-on-rewrite": "no",
  "maxmemory-policy": "noeviction",
};

function open(): WriterSpace {
  const space = new WriterSpace(pair.durable.url);
  spaces.push(space);
  return space;
}

/** The problems that opening names; none when it works. */
async function problemsOf(opening: Promise<unknown>): Promise<readonly string[]> {
  try {
    await opening;
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** The URL of an account that may do everything but read settings, as managed servers have it. */
async function withoutConfig(): Promise<string> {
  await admin.acl("SETUSER", "managed", "on", ">payflow_managed", "~*", "&*", "+@all", "-config");
  const url = new URL(pair.durable.url);
  url.username = "managed";
  url.password = "payflow_managed";
  return url.href;
}

test("fsync refuses a Redis that may lose events, naming each setting", async () => {
  await admin.config("SET", "appendonly", "no");
  await admin.config("SET", "appendfsync", "everysec");
  await admin.config("SET", "no-appendfsync-on-rewrite", "yes");
  await admin.config("SET", "maxmemory-policy", "allkeys-lru");
  const problems = await problemsOf(open().open());
  expect(problems).toHaveLength(4);
  for (const name of Object.keys(fit)) {
    expect(problems.some((one) => one.startsWith("INGEST_REDIS_URL") && one.includes(name))).toBe(true);
  }
});

test("memory only refuses a Redis that evicts", async () => {
  await admin.config("SET", "appendfsync", "everysec");
  expect(await problemsOf(open().open({ fitness: { durability: "memory" } }))).toEqual([]);
  await admin.config("SET", "maxmemory-policy", "allkeys-lru");
  const problems = await problemsOf(open().open({ fitness: { durability: "memory" } }));
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain("maxmemory-policy");
});

test("memory refuses to share a server with the bus, by whatever address", async () => {
  const other = new URL(pair.durable.url);
  other.hostname = "localhost";
  const same = new Redis(other.href);
  const different = new Redis(pair.cache.url);
  try {
    const problems = await problemsOf(open().open({ fitness: { durability: "memory", bus: same } }));
    expect(problems[0]).toContain("INGEST_DURABILITY=memory needs a Redis of its own");
    expect(await problemsOf(open().open({ fitness: { durability: "memory", bus: different } }))).toEqual([]);
    expect(await problemsOf(open().open({ fitness: { durability: "fsync", bus: same } }))).toEqual([]);
  } finally {
    same.disconnect();
    different.disconnect();
  }
});

test("a Redis that hides its settings is refused until its owner vouches for it", async () => {
  const urls = await withoutConfig();
  const [problem] = await problemsOf(open().open({ urls }));
  expect(problem).toContain("CONFIG GET");
  expect(problem).toContain("INGEST_REDIS_VOUCHED=true");
  const { writer } = await open().open({ urls, fitness: { isVouchedFor: true } });
  expect((await writer.appendOne(event())).kind).toBe("stored");
});

test("vouching does not help a Redis that shows to be unfit", async () => {
  const urls = await withoutConfig();
  await admin.config("SET", "maxmemory-policy", "allkeys-lru");
  const problems = await problemsOf(open().open({ urls, fitness: { isVouchedFor: true } }));
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain("maxmemory-policy");
});

test("streams made with another number of partitions are refused, and those of the plan go on", async () => {
  const space = open();
  const { writer, link } = await space.open({ partitions: 4 });
  await writer.appendOne(event());
  const [problem] = await problemsOf(space.open({ partitions: 8 }));
  expect(problem).toContain("INGEST_PARTITIONS is 8");
  expect(problem).toContain("set it to 4");
  const same = await space.open({ partitions: 4 });
  expect(same.link.fingerprintKey).toBe(link.fingerprintKey);
});

test("a Redis that became unfit while the connection was lost gets nothing until it is fit again", async () => {
  const space = open();
  const { writer, link } = await space.open();
  await writer.appendOne(event({ id: "before" }));
  await admin.config("SET", "appendfsync", "everysec");
  await admin.client("KILL", "TYPE", "normal", "SKIPME", "yes");
  await eventually(() => expect(link.assertReady()).rejects.toThrow());
  await eventually(async () => {
    const problem = await writer.appendOne(event()).catch((error: { cause?: Error }) => error.cause);
    expect(String(problem)).toContain("appendfsync");
  });
  expect(await space.entries()).toHaveLength(1);
  await admin.config("SET", "appendfsync", "always");
  await eventually(() => link.assertReady());
  expect((await writer.appendOne(event({ id: "after" }))).kind).toBe("stored");
});

test("with Redis away it starts, is not ready, and takes events once Redis is there and fit", async () => {
  await pair.durable.stop();
  const space = open();
  const { writer, link } = await space.open({}, false);
  await link.settle(200);
  await expect(link.assertReady()).rejects.toThrow();
  await expect(writer.appendOne(event())).rejects.toThrow("not available");
  await pair.durable.start();
  await eventually(() => link.assertReady());
  expect((await writer.appendOne(event())).kind).toBe("stored");
});
