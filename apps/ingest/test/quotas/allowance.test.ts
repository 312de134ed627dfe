import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { defaultLimits, type TenantContext } from "@payflow/contracts/access.ts";
import type { DomainError } from "@payflow/contracts/errors.ts";
import { connectStreams, type StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import { streamKeys } from "@payflow/service-kit/streams/keys.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { createAllowanceStore } from "../../src/quotas/allowance.store.ts";
import { createAllowance } from "../../src/quotas/allowance.ts";
import { toUsage } from "../../src/quotas/usage.contract.ts";
import { readUsage } from "../../src/quotas/usage.ts";

const partitions = 4;
const keys = streamKeys("ingest");
const november = Date.parse("2026-11-21T12:00:00Z");

let redis: TestRedisPair;
const connections: StreamsRedis[] = [];

beforeAll(async () => {
  redis = await testRedis();
});
afterAll(async () => {
  for (const connection of connections) connection.disconnect();
  await redis.close();
});

/** One replica's allowance. `nowMs` is the present. */
async function replica({ quietMs = 60_000, nowMs = november } = {}) {
  const connection = connectStreams(redis.durable.url, "test", createLogger("test", "silent"));
  connections.push(connection);
  await eventually(() => connection.status === "ready");
  const store = createAllowanceStore({ redis: connection, keys, partitions, quietMs });
  const now = () => nowMs;
  return { store, now, connection, allowance: createAllowance(store, now) };
}
type Replica = Awaited<ReturnType<typeof replica>>;

function newTenant(monthly: number | null, mode: "live" | "test" = "live"): TenantContext {
  const limits = { ...defaultLimits, monthly_events: monthly };
  const tenantId = `ten_${crypto.randomUUID()}`;
  return { tenantId, mode, keyId: "key_1", scopes: ["events:write"], limits, requestId: "req_1" };
}

/** What the writer does with events that it stores. */
async function store({ connection }: Replica, tenant: TenantContext, events: number, month = "2026-11") {
  const partition = Math.floor(Math.random() * partitions);
  await connection.hincrby(keys.usage(partition, month), `${tenant.tenantId}/${tenant.mode}`, events);
}

/** One request of so many events, of which some are stored; the code of its refusal, if any. */
async function request(one: Replica, tenant: TenantContext, events: number, stored = events) {
  try {
    const reservation = await one.allowance.reserve(tenant, events);
    await store(one, tenant, stored);
    await reservation?.settle(stored);
    return "stored";
  } catch (error) {
    return (error as DomainError).reason;
  }
}

const usageOf = async (one: Replica, tenant: TenantContext) =>
  toUsage(await readUsage({ usage: one.store, now: one.now }, tenant));

describe("a monthly allowance", () => {
  test("lets exactly so many events through, however many come at once, to all replicas", async () => {
    const replicas = [await replica(), await replica(), await replica()];
    const tenant = newTenant(1_000);
    const test = { ...tenant, mode: "test" as const };
    const counts = Array.from({ length: 400 }, (_, index) => 1 + (index % 9));
    const outcomes = await Promise.all(
      counts.map((count, index) => {
        const one = replicas[index % 3];
        return one === undefined ? "" : request(one, index % 2 === 0 ? tenant : test, count);
      }),
    );
    expect(new Set(outcomes)).toEqual(new Set(["stored", "allowance_exhausted"]));
    const [one] = replicas as [Replica];
    while ((await request(one, tenant, 1)) === "stored");
    expect(await usageOf(one, tenant)).toMatchObject({ accepted: { total: 1_000 }, remaining: 0 });
    expect(await usageOf(one, newTenant(1_000))).toMatchObject({ accepted: { total: 0 }, remaining: 1_000 });
  });

  test("is not used up by what is not stored: repeats, conflicts and refusals", async () => {
    const one = await replica();
    const tenant = newTenant(100);
    for (let round = 0; round < 10; round += 1) expect(await request(one, tenant, 70, 3)).toBe("stored");
    expect(await usageOf(one, tenant)).toMatchObject({ accepted: { live: 30, test: 0 }, remaining: 70 });
    expect(await request(one, tenant, 71)).toBe("allowance_exhausted");
    expect(await request(one, tenant, 70)).toBe("stored");
    expect(await request(one, tenant, 1)).toBe("allowance_exhausted");
  });

  test("says when the next month begins, and is whole again then", async () => {
    const tenant = newTenant(1);
    const one = await replica({ nowMs: Date.parse("2026-12-31T23:59:00Z") });
    await store(one, tenant, 1, "2026-12");
    const refusal = await Promise.resolve(one.allowance.reserve(tenant, 1)).catch((error) => error);
    expect([refusal.reason, refusal.headers]).toEqual(["allowance_exhausted", { "retry-after": "60" }]);
    expect(await usageOf(one, tenant)).toEqual({
      month: "2026-12",
      accepted: { live: 1, test: 0, total: 1 },
      allowance: 1,
      remaining: 0,
      resets_at: "2027-01-01T00:00:00.000Z",
    });
    const later = await replica({ nowMs: Date.parse("2027-01-01T00:00:00Z") });
    const reservation = await later.allowance.reserve(tenant, 1);
    expect(reservation).not.toBeNull();
  });

  test("counts what was stored before there was one, or while there was none", async () => {
    const one = await replica({ quietMs: 50 });
    const tenant = newTenant(10);
    await store(one, tenant, 7);
    expect(await request(one, tenant, 4)).toBe("allowance_exhausted");
    expect(await request(one, tenant, 2)).toBe("stored");
    const unlimited = { ...tenant, limits: { ...tenant.limits, monthly_events: null } };
    expect(one.allowance.reserve(unlimited, 1_000)).toBeNull();
    await store(one, unlimited, 1_000);
    const changedAt = Number(await one.connection.hget(keys.allowance(tenant.tenantId, "2026-11"), "at"));
    await eventually(async () => {
      const [seconds = 0, micros = 0] = await one.connection.time();
      return seconds * 1_000 + micros / 1_000 > changedAt + 51;
    });
    expect(await request(one, tenant, 1)).toBe("allowance_exhausted");
    expect((await usageOf(one, unlimited)).remaining).toBeNull();
  });

  test("gets back what a killed replica had reserved, once nothing was reserved for a while", async () => {
    const one = await replica({ quietMs: 200 });
    const tenant = newTenant(100);
    expect(await request(one, tenant, 10)).toBe("stored");
    const lost = await one.allowance.reserve(tenant, 90);
    expect(await request(one, tenant, 1)).toBe("allowance_exhausted");
    await eventually(async () => (await request(one, tenant, 90)) === "stored");
    // What comes back late from the one that was taken for dead is not given back a second time.
    await lost?.settle(0);
    expect(await request(one, tenant, 1)).toBe("allowance_exhausted");
    expect(await usageOf(one, tenant)).toMatchObject({ accepted: { total: 100 }, remaining: 0 });
  });

  test("refuses as unavailable while Redis is away", async () => {
    const one = await replica();
    const tenant = newTenant(10);
    await redis.durable.stop("SIGKILL");
    expect(await request(one, tenant, 1)).toBe("unavailable");
    expect(usageOf(one, tenant)).rejects.toThrow("unavailable");
    await redis.durable.start();
    await eventually(async () => (await request(one, tenant, 1)) === "stored");
  });
});
