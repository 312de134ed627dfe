import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { connectDatabase, type Database } from "@payflow/service-kit/store/database.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Redis } from "ioredis";
import { adminToken, call, type Replica, startReplica } from "./harness.ts";

const perMinute = 6;
const body = { name: "Anybody", email: "anybody@example.com" };

let database: TestDatabase;
let owner: Database;
let redis: TestRedisPair;
let replicas: Replica[];

beforeAll(async () => {
  [database, redis] = await Promise.all([testPostgres("tenant"), testRedis()]);
  owner = connectDatabase(database.adminUrl, { name: "test" });
});
afterAll(async () => {
  await owner.close();
  await Promise.all([redis.close(), database.drop()]);
});
beforeEach(async () => {
  const stores = { databaseUrl: database.serviceUrl, redisUrl: redis.cache.url };
  const settings = { OPEN_REGISTRATIONS_PER_MINUTE: perMinute };
  replicas = [startReplica(stores, settings), startReplica(stores, settings)];
  const cache = new Redis(redis.cache.url);
  // A replica that is not connected yet would count by itself.
  for (const { server } of replicas) {
    const probe = crypto.randomUUID();
    await eventually(async () => {
      await server.rateLimiter.take(probe, { requests_per_second: 1, burst: 1 });
      return (await cache.exists(`payflow:rate:${probe}`)) === 1;
    });
  }
  await cache.flushall();
  cache.disconnect();
});
afterEach(async () => {
  for (const replica of replicas) await replica.close();
});

const tenants = async () => Number((await owner.sql`select count(*) from tenant`)[0]?.count);

/** Registrations sent at once, to the replicas in turn. */
function registrations(count: number, init: Parameters<typeof call>[3] = { body }) {
  return Promise.all(
    Array.from({ length: count }, (_, index) =>
      call((replicas[index % 2] as Replica).app, "POST", "/tenants/register", init),
    ),
  );
}

/** What the bucket has given since: its burst and what it was refilled with, at most. */
const givenSince = (startedAt: number, buckets = 1) =>
  buckets * (perMinute + Math.ceil(((performance.now() - startedAt) / 60_000) * perMinute));

test("anybody may register so many tenants a minute, over all replicas, and the admin as many as he likes", async () => {
  const [before, startedAt] = [await tenants(), performance.now()];
  const wrong = await registrations(perMinute, { body: { name: "Anybody" } });
  expect(new Set(wrong.map((answer) => answer.status))).toEqual(new Set([400]));
  const answers = await registrations(40);
  const made = answers.filter((answer) => answer.status === 201);
  const refused = answers.filter((answer) => answer.status !== 201);
  expect(made.length).toBeGreaterThanOrEqual(perMinute);
  expect(made.length).toBeLessThanOrEqual(givenSince(startedAt));
  expect((await tenants()) - before).toBe(made.length);
  for (const { status, body: problem, headers } of refused) {
    expect([status, problem.code]).toEqual([429, "rate_limited"]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(Number(headers.get("retry-after"))).toBeLessThanOrEqual(60 / perMinute);
    expect(headers.get("ratelimit-policy")).toBe(`"requests";q=${perMinute};w=60`);
  }
  const byAdmin = await registrations(perMinute * 3, { body, token: adminToken });
  expect(new Set(byAdmin.map((answer) => answer.status))).toEqual(new Set([201]));
  const wrongToken = await registrations(10, { body, token: `${adminToken}x` });
  expect(wrongToken.filter((answer) => answer.status === 429).length).toBeGreaterThan(0);
});

test("with the cache Redis away each replica still lets no more than its minute through", async () => {
  const [before, startedAt] = [await tenants(), performance.now()];
  await redis.cache.stop();
  try {
    const answers = await registrations(60);
    const made = answers.filter((answer) => answer.status === 201);
    expect(made.length).toBeGreaterThanOrEqual(perMinute);
    expect(made.length).toBeLessThanOrEqual(givenSince(startedAt, 2));
    expect((await tenants()) - before).toBe(made.length);
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201, 429]));
  } finally {
    await redis.cache.start();
  }
  // Shared again, the bucket is full: what was let through meanwhile is not held against anybody.
  await eventually(async () => (await registrations(2)).every((answer) => answer.status === 201));
});
