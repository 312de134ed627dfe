import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { defaultLimits } from "@payflow/contracts/access.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import type { Redis } from "ioredis";
import { createRateLimiter } from "../src/auth/rates/rate-limiter.ts";
import { connectRedis } from "../src/store/redis.ts";
import { createLogger } from "../src/telemetry/logging.ts";
import { Metrics } from "../src/telemetry/metrics.ts";

let redis: TestRedisPair;
const connections: Redis[] = [];

beforeAll(async () => {
  redis = await testRedis();
});
afterAll(async () => {
  for (const connection of connections) connection.disconnect();
  await redis.close();
});

/** One process's limiter, once it is connected. */
async function limiter() {
  const connection = connectRedis(redis.cache.url, "test", createLogger("test", "silent"), {
    commandTimeout: 300,
  });
  connections.push(connection);
  await eventually(() => connection.status === "ready");
  return createRateLimiter({ redis: connection, metrics: new Metrics("test") });
}
type Limiter = Awaited<ReturnType<typeof limiter>>;

const limitsOf = (rate: number, burst: number) => ({ ...defaultLimits, requests_per_second: rate, burst });
const newTenant = () => `ten_${crypto.randomUUID()}`;

async function passed(
  limiters: Limiter[],
  tenant: string,
  limits: ReturnType<typeof limitsOf>,
  count: number,
) {
  const decisions = await Promise.all(
    Array.from({ length: count }, (_, index) => limiters[index % limiters.length]?.take(tenant, limits)),
  );
  return decisions.filter((one) => one?.isAllowed).length;
}

describe("a tenant's rate", () => {
  test("is shared by all replicas, to the last token", async () => {
    const replicas = [await limiter(), await limiter(), await limiter()];
    const tenant = newTenant();
    const limits = limitsOf(1, 50);
    const startedAt = performance.now();
    const first = await passed(replicas, tenant, limits, 300);
    const refilled = Math.ceil((performance.now() - startedAt) / 1_000);
    expect(first).toBeGreaterThanOrEqual(50);
    expect(first).toBeLessThanOrEqual(50 + refilled);
    expect(await passed(replicas, newTenant(), limits, 60)).toBeGreaterThanOrEqual(50);
  });

  test("of a busy tenant never lets more through than the bucket gives, and hardly less", async () => {
    const replicas = [await limiter(), await limiter()];
    const tenant = newTenant();
    const limits = limitsOf(2_000, 1_000);
    const startedAt = performance.now();
    let allowed = 0;
    let asked = 0;
    while (performance.now() - startedAt < 600) {
      allowed += await passed(replicas, tenant, limits, 64);
      asked += 64;
    }
    const given = 1_000 + (2_000 * (performance.now() - startedAt)) / 1_000;
    expect(allowed).toBeLessThanOrEqual(given);
    // Each replica may hold one advance of at most a twentieth of a second's rate.
    expect(allowed).toBeGreaterThanOrEqual(Math.min(asked, given) - 2 * 100 - 64);
  });

  test("of a busy tenant is asked of Redis once for many requests", async () => {
    const replica = await limiter();
    const counter = connections.at(-1);
    await counter?.config("RESETSTAT");
    const tenant = newTenant();
    for (let round = 0; round < 500; round += 1) {
      expect(await passed([replica], tenant, limitsOf(1_000_000, 1_000_000), 4)).toBe(4);
    }
    const calls = Number(
      /cmdstat_evalsha:calls=(\d+)/.exec((await counter?.info("commandstats")) ?? "")?.[1],
    );
    expect(calls).toBeGreaterThan(0);
    expect(calls).toBeLessThan(500);
  });

  test("refuses with the time to wait, and admits again after it", async () => {
    const replica = await limiter();
    const tenant = newTenant();
    const limits = limitsOf(4, 1);
    const first = await replica.take(tenant, limits);
    expect(first.headers).toEqual({
      "ratelimit-policy": '"requests";q=1;w=1',
      ratelimit: '"requests";r=0;t=1',
    });
    const second = await replica.take(tenant, limits);
    expect([second.isAllowed, second.headers["retry-after"]]).toEqual([false, "1"]);
    await eventually(async () => (await replica.take(tenant, limits)).isAllowed, { timeoutMs: 1_000 });
  });

  test("takes a changed limit with the next request", async () => {
    const replica = await limiter();
    const tenant = newTenant();
    expect(await passed([replica], tenant, limitsOf(1, 1), 5)).toBe(1);
    expect(await passed([replica], tenant, limitsOf(1, 1), 5)).toBe(0);
    let allowed = 0;
    await eventually(async () => {
      allowed += await passed([replica], tenant, limitsOf(1_000, 1_000), 100);
      return allowed >= 50;
    });
    expect(await passed([replica], tenant, limitsOf(1, 2), 50)).toBeLessThanOrEqual(3);
  });

  test("is kept by each process alone while Redis is away, and shared again afterwards", async () => {
    const replica = await limiter();
    const tenant = newTenant();
    const limits = limitsOf(1, 20);
    await redis.cache.stop("SIGKILL");
    const allowed = await passed([replica], tenant, limits, 100);
    expect(allowed).toBeGreaterThanOrEqual(20);
    expect(allowed).toBeLessThanOrEqual(22);
    await redis.cache.start();
    const other = await limiter();
    await eventually(async () => {
      await Promise.all([replica.take(tenant, limits), other.take(tenant, limits)]);
      return (await connections.at(-1)?.exists(`payflow:rate:${tenant}`)) === 1;
    });
  });
});

describe("a rate of events", () => {
  const eventLimiter = async () => {
    await limiter();
    const connection = connections.at(-1);
    if (connection === undefined) throw new Error("not connected");
    return createRateLimiter({ redis: connection, metrics: new Metrics("test"), counted: "events" });
  };

  test("is taken as a whole or not at all, by all replicas from one bucket", async () => {
    const replicas = [await eventLimiter(), await eventLimiter()];
    const tenant = newTenant();
    const limits = limitsOf(1, 1_000);
    const counts = [400, 400, 150, 400, 30, 15, 7];
    const decisions = await Promise.all(
      counts.map((count, index) => replicas[index % 2]?.take(tenant, limits, count)),
    );
    const taken = counts.filter((_, index) => decisions[index]?.isAllowed);
    const total = taken.reduce((sum, count) => sum + count, 0);
    expect(total).toBeGreaterThan(900);
    expect(total).toBeLessThanOrEqual(1_001);
    const refused = decisions.find((one) => one?.isAllowed === false);
    expect(refused?.headers["ratelimit-policy"]).toBe('"events";q=1000;w=1000');
    expect(Number(refused?.headers["retry-after"])).toBeGreaterThan(1);
  });

  test("lets small bodies pass where a large one has to wait, and has nothing to do with requests", async () => {
    const replica = await eventLimiter();
    const requests = await limiter();
    const tenant = newTenant();
    const limits = limitsOf(1, 100);
    expect((await replica.take(tenant, limits, 60)).isAllowed).toBe(true);
    const large = await replica.take(tenant, limits, 60);
    expect(large.isAllowed).toBe(false);
    expect(Number(large.headers["retry-after"])).toBeGreaterThanOrEqual(19);
    expect((await replica.take(tenant, limits, 40)).isAllowed).toBe(true);
    expect((await replica.take(tenant, limits, 3)).isAllowed).toBe(false);
    expect(await passed([requests], tenant, limits, 100)).toBe(100);
  });

  test("can be charged for what was done already, and gives nothing until that is paid back", async () => {
    const replicas = [await eventLimiter(), await eventLimiter()];
    const tenant = newTenant();
    const limits = limitsOf(1_000, 1_000);
    await replicas[0]?.take(tenant, limits, 900);
    replicas[0]?.charge(tenant, limits, 400);
    await eventually(async () => (await replicas[1]?.take(tenant, limits))?.isAllowed === false);
    await eventually(async () => (await replicas[1]?.take(tenant, limits))?.isAllowed === true);
  });

  test("is kept by each process alone while Redis is away", async () => {
    const replica = await eventLimiter();
    const tenant = newTenant();
    const limits = limitsOf(1, 1_000);
    await redis.cache.stop("SIGKILL");
    expect((await replica.take(tenant, limits, 700)).isAllowed).toBe(true);
    expect((await replica.take(tenant, limits, 700)).isAllowed).toBe(false);
    replica.charge(tenant, limits, 700);
    expect((await replica.take(tenant, limits, 1)).isAllowed).toBe(false);
    await redis.cache.start();
  });
});
