import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { hashApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { changesKey, entryKey } from "@payflow/service-kit/auth/cache-layout.ts";
import type { TenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Redis } from "ioredis";
import { verifyKeys } from "../src/verification/verify-keys.ts";
import { adminToken, call, otherApp, type Replica, register, type Stores, startReplica } from "./harness.ts";

/** The contract's bound for a change to be felt everywhere. */
const boundMs = 1_000;

setDefaultTimeout(30_000);

let database: TestDatabase;
let redis: TestRedisPair;
let stores: Stores;
let admin: Redis;
let replica: Replica;
let other: TenantAccess;

beforeAll(async () => {
  [database, redis] = await Promise.all([testPostgres("tenant"), testRedis()]);
  stores = { databaseUrl: database.serviceUrl, redisUrl: redis.cache.url };
});

afterAll(async () => {
  await Promise.all([redis.close(), database.drop()]);
});

beforeEach(async () => {
  admin = new Redis(redis.cache.url);
  admin.on("error", () => {});
  replica = startReplica(stores);
  replica.publisher.start();
  await eventually(() => replica.publisher.epoch !== "");
  other = otherApp(stores, replica.internalUrl);
});

afterEach(async () => {
  await other.close();
  await replica.close();
  admin.disconnect();
});

/** How the other app answers a key: its tenant's rate, or the code of the refusal. */
async function answerOf(key: string, app = other): Promise<string> {
  try {
    const context = await app.authenticator.authenticate(key);
    return `${context.limits.requests_per_second}/s`;
  } catch (error) {
    return error instanceof Error && "reason" in error ? String(error.reason) : String(error);
  }
}

const granted = "1000/s";

/** A key of a new tenant that the other app holds in its memory, and that stands in the cache Redis. */
async function knownKey() {
  const tenant = await register(replica);
  expect(await answerOf(tenant.api_key)).toBe(granted);
  await eventually(async () => (await admin.exists(entryKey(hashApiKey(tenant.api_key)))) === 1);
  const listed = await call(replica.app, "GET", "/api-keys", { key: tenant.api_key });
  return { ...tenant, keyId: String(listed.body.data[0].key_id) };
}

async function revoke(key: { readonly keyId: string; readonly api_key: string }, by = replica) {
  const answer = await call(by.app, "DELETE", `/api-keys/${key.keyId}`, { key: key.api_key });
  expect(answer.status).toBe(204);
}

const within = (expected: string | string[], key: string, app = other) =>
  eventually(async () => expect([expected].flat()).toContain(await answerOf(key, app)), {
    timeoutMs: boundMs,
    everyMs: 10,
  });

/** No grant is ever seen again, as long as a record could have lived. */
async function neverGranted(key: string, app = other, forMs = 700) {
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    expect(await answerOf(key, app)).not.toBe(granted);
    await Bun.sleep(5);
  }
}

describe("within a second", () => {
  test("a revoked key is refused by every replica of every app", async () => {
    const second = otherApp(stores, replica.internalUrl);
    const key = await knownKey();
    expect(await answerOf(key.api_key, second)).toBe(granted);
    await revoke(key);
    await Promise.all([
      within("invalid_api_key", key.api_key),
      within("invalid_api_key", key.api_key, second),
    ]);
    await neverGranted(key.api_key);
    await second.close();
  });

  test("a suspension refuses all keys of the tenant, and a resumption admits them again", async () => {
    const key = await knownKey();
    expect(await answerOf(key.test_api_key)).toBe(granted);
    const post = (what: string) =>
      call(replica.app, "POST", `/tenants/${key.tenant_id}/${what}`, { token: adminToken });
    await post("suspend");
    await within("tenant_suspended", key.api_key);
    await within("tenant_suspended", key.test_api_key);
    await post("resume");
    await within(granted, key.api_key);
  });

  test("a changed limit counts", async () => {
    const key = await knownKey();
    const limits = {
      requests_per_second: 7,
      burst: 7,
      events_per_second: 7,
      monthly_events: null,
      max_payment_amount: null,
    };
    await call(replica.app, "PUT", `/tenants/${key.tenant_id}/limits`, { token: adminToken, body: limits });
    await within("7/s", key.api_key);
  });

  test("an expired key is refused, also from memory and from the cache", async () => {
    const tenant = await register(replica);
    const expiresAt = new Date(Date.now() + 500).toISOString();
    const made = await call(replica.app, "POST", "/api-keys", {
      key: tenant.api_key,
      body: { name: "short", mode: "live", expires_at: expiresAt },
    });
    expect(await answerOf(made.body.api_key)).toBe(granted);
    await eventually(async () => (await admin.exists(entryKey(hashApiKey(made.body.api_key)))) === 1);
    const late = otherApp(stores, replica.internalUrl);
    await eventually(async () => expect(await answerOf(made.body.api_key)).toBe("invalid_api_key"), {
      timeoutMs: 500 + boundMs,
    });
    await within("invalid_api_key", made.body.api_key, late);
    await late.close();
  });
});

describe("a revoked key is refused within a second, although", () => {
  test("the message of it is lost", async () => {
    const key = await knownKey();
    const losing = setInterval(() => void admin.xtrim(changesKey, "MAXLEN", 0).catch(() => {}), 1);
    await revoke(key);
    await within("invalid_api_key", key.api_key);
    clearInterval(losing);
    await neverGranted(key.api_key);
  });

  test("Redis is flushed at that moment, and again and again", async () => {
    const key = await knownKey();
    const flushing = setInterval(() => void admin.flushall().catch(() => {}), 30);
    await revoke(key);
    await within("invalid_api_key", key.api_key);
    clearInterval(flushing);
    await neverGranted(key.api_key);
  });

  test("Redis stops before it, while other keys go on working", async () => {
    const [key, working] = [await knownKey(), await knownKey()];
    await redis.cache.stop("SIGKILL");
    await revoke(key);
    await within("invalid_api_key", key.api_key);
    expect(await answerOf(working.api_key)).toBe(granted);
    await redis.cache.start();
    await neverGranted(key.api_key);
  });

  test("Redis hangs", async () => {
    const [key, working] = [await knownKey(), await knownKey()];
    await admin.client("PAUSE", 3_000, "ALL");
    await revoke(key);
    await within("invalid_api_key", key.api_key);
    expect(await answerOf(working.api_key)).toBe(granted);
    await neverGranted(key.api_key);
    await eventually(() => admin.ping());
  });

  test("the tenant app dies between commit and message, and no other replica lives", async () => {
    const key = await knownKey();
    await replica.publisher.close();
    await revoke(key);
    await replica.close();
    // Nobody can vouch for the key any more: it is not granted, and not called invalid either.
    await within("unavailable", key.api_key);
    await neverGranted(key.api_key);
    const restarted = startReplica(stores);
    restarted.publisher.start();
    const moved = otherApp(stores, restarted.internalUrl);
    await within("invalid_api_key", key.api_key, moved);
    await Promise.all([moved.close(), restarted.close()]);
  });

  test("the tenant app dies between commit and message, and another replica lives", async () => {
    const survivor = startReplica(stores);
    survivor.publisher.start();
    const asking = otherApp(stores, survivor.internalUrl);
    const key = await knownKey();
    expect(await answerOf(key.api_key, asking)).toBe(granted);
    await replica.publisher.close();
    await revoke(key);
    await replica.close();
    await within("invalid_api_key", key.api_key, asking);
    await within(["invalid_api_key", "unavailable"], key.api_key);
    await neverGranted(key.api_key, asking);
    await Promise.all([asking.close(), survivor.close()]);
  });

  test.each([["as it is"], ["after Redis lost the tombstone"]])(
    "a fill of the cache that read the key before comes after it, %s",
    async (when) => {
      const key = await knownKey();
      const sha256 = hashApiKey(key.api_key);
      let release = () => {};
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      let filling: Promise<void> = Promise.resolve();
      const deps = replica.verifying;
      const [read] = await verifyKeys(
        {
          ...deps,
          keyCache: {
            fill: (epoch, keys) => {
              filling = gate.then(() => deps.keyCache.fill(epoch, keys));
              return filling;
            },
          },
        },
        [sha256],
      );
      expect(read?.record.status).toBe("active");
      await admin.del(entryKey(sha256));
      await revoke(key);
      await within("invalid_api_key", key.api_key);
      if (when !== "as it is") {
        await admin.flushall();
        const ended = replica.publisher.epoch;
        await eventually(() => replica.publisher.epoch !== ended && replica.publisher.epoch !== "");
      }
      await admin.del(entryKey(sha256));
      release();
      await filling;
      expect(await admin.hget(entryKey(sha256), "record")).toBeNull();
      const fresh = otherApp(stores, replica.internalUrl);
      await neverGranted(key.api_key, fresh, 300);
      await fresh.close();
    },
  );
});

test("with the tenant app away, keys work while they are known to be right, then are unavailable", async () => {
  const key = await knownKey();
  await replica.close();
  const end = performance.now() + boundMs;
  let last = "";
  while (performance.now() < end) {
    last = await answerOf(key.api_key);
    expect([granted, "unavailable"]).toContain(last);
    await Bun.sleep(10);
  }
  expect(last).toBe("unavailable");
});
