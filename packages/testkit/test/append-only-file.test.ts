import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Redis } from "ioredis";

let pair: TestRedisPair;

beforeAll(async () => {
  pair = await testRedis();
});
afterAll(() => pair.close());

async function withRedis<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(pair.durable.url);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

async function restart(): Promise<void> {
  await pair.durable.stop("SIGKILL");
  await pair.durable.start();
}

const addTwo = "redis.call('XADD', KEYS[1], '*', 'a', ARGV[1]) redis.call('SET', KEYS[2], ARGV[1]) return 1";
const half =
  "*1\r\n$5\r\nMULTI\r\n*5\r\n$4\r\nXADD\r\n$6\r\nstream\r\n$1\r\n*\r\n$1\r\na\r\n$4\r\nhalf\r\n*3\r\n$3\r\nSE";

test("a transaction that was written by half is never done, whatever comes after it", async () => {
  const values = () =>
    withRedis(async (redis) => (await redis.xrange("stream", "-", "+")).map(([, fields]) => fields[1]));
  const folder = await withRedis(async (redis) => {
    await redis.eval(addTwo, 2, "stream", "text", "before");
    // CONFIG GET answers name, value.
    return path.join(((await redis.config("GET", "dir")) as string[])[1] ?? "", "appendonlydir");
  });
  await pair.durable.stop("SIGKILL");
  const last = readdirSync(folder).find((name) => name.endsWith(".incr.aof")) ?? "";
  appendFileSync(path.join(folder, last), half);
  await pair.durable.start();
  await withRedis((redis) => redis.eval(addTwo, 2, "stream", "text", "after"));
  await restart();
  expect(await values()).toEqual(["before", "after"]);
});
