import { afterAll, expect, test } from "bun:test";
import path from "node:path";
import { Cluster, Redis } from "ioredis";
import postgres from "postgres";
import { testPostgres } from "../src/postgres.ts";
import { testRedis } from "../src/redis.ts";
import { testRedisCluster } from "../src/redis-cluster.ts";

const fixture = { name: "fixture", migrations: path.join(import.meta.dir, "fixture-migrations") };
const closing: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

function connect(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  closing.push(() => sql.end({ timeout: 1 }));
  return sql;
}

test("each caller has a migrated database of its own, and the service role owns nothing in it", async () => {
  const [first, second] = await Promise.all([testPostgres(fixture), testPostgres(fixture)]);
  closing.push(first.drop, second.drop);
  await connect(first.serviceUrl)`insert into note (id, body) values (1, 'only here')`;
  expect(await connect(second.serviceUrl)`select * from note`).toBeEmpty();
  const service = connect(first.serviceUrl);
  expect(async () => service`delete from note`).toThrow("permission denied");
  expect(async () => service`create table mine (id int)`).toThrow("permission denied");
  expect(await connect(first.ownerUrl)`delete from note returning id`).toHaveLength(1);
});

test("a role of one database cannot enter another app's database", async () => {
  const own = await testPostgres(fixture);
  const other = await testPostgres({ ...fixture, name: "stranger", migrations: fixture.migrations }).catch(
    (error: unknown) => error,
  );
  closing.push(own.drop);
  // The fixture's migrations grant to fixture_service, which exists in the whole server, so both could be
  // made.
  if (other instanceof Error || typeof other !== "object" || other === null) throw other;
  const intruder = new URL(own.serviceUrl);
  intruder.username = "stranger_service";
  expect(async () => connect(intruder.href)`select 1`).toThrow("permission denied for database");
});

test("the durable Redis keeps what it acknowledged through kill -9, and the cache forgets", async () => {
  const { cache, durable, close } = await testRedis();
  closing.push(close);
  for (const server of [cache, durable]) {
    const redis = new Redis(server.url);
    await redis.set("kept", "yes");
    redis.disconnect();
    await server.stop("SIGKILL");
    await server.start();
  }
  const [cached, kept] = [new Redis(cache.url), new Redis(durable.url)];
  closing.push(async () => [cached.disconnect(), kept.disconnect()]);
  expect(await cached.get("kept")).toBeNull();
  expect(await kept.get("kept")).toBe("yes");
  const policy = await kept.config("GET", "maxmemory-policy");
  expect(policy).toContainEqual("noeviction");
});

test("three masters are one cluster that takes keys of every slot", async () => {
  const cluster = await testRedisCluster();
  closing.push(() => cluster.close());
  const redis = new Cluster(cluster.urls.split(","), { redisOptions: { password: "payflow_test" } });
  closing.push(async () => redis.disconnect());
  const keys = Array.from({ length: 30 }, (_, index) => `key-${index}`);
  await Promise.all(keys.map((key) => redis.set(key, key)));
  expect(await Promise.all(keys.map((key) => redis.get(key)))).toEqual(keys);
  const sizes = await Promise.all(redis.nodes("master").map((node) => node.dbsize()));
  expect(sizes).toHaveLength(3);
  expect(Math.min(...sizes)).toBeGreaterThan(0);
});
