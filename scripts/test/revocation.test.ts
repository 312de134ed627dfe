import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { changesKey } from "@payflow/service-kit/auth/cache-layout.ts";
import { Redis } from "ioredis";
import postgres, { type Sql } from "postgres";
import { allDoors, ask, countsWithinBound, eventDoors, everywhere, requestDoors } from "./platform/doors.ts";
import { adminCall, call, registerTenant, type TestTenant } from "./platform/platform.ts";
import { type Replicas, startTwoReplicas } from "./platform/replicas.ts";

setDefaultTimeout(60_000);

const killRounds = process.env.PAYFLOW_THOROUGH === undefined ? 2 : 20;

let replicas: Replicas;
let doors: ReturnType<typeof allDoors>;
let redis: Redis;
let sql: Sql;

beforeAll(async () => {
  replicas = await startTwoReplicas({ isDurable: false });
  doors = allDoors(replicas);
  redis = new Redis(replicas.installation.cacheRedisUrl);
  redis.on("error", () => {});
  sql = postgres(replicas.installation.databaseUrl("tenant", "superuser"), { max: 2, onnotice: () => {} });
}, 90_000);

afterAll(async () => {
  redis?.disconnect();
  await sql?.end({ timeout: 2 });
  await replicas?.stop();
});

interface MadeKey {
  readonly keyId: string;
  readonly key: string;
  readonly tenant: TestTenant;
}

/** A tenant with a second key, which the test then takes away. */
async function makeKey(more: Record<string, unknown> = {}): Promise<MadeKey> {
  const tenant = await registerTenant(replicas.installation);
  const made = await call(`${replicas.publicUrl("tenant", 1)}/api-keys`, "POST", {
    key: tenant.liveKey,
    body: { name: "second", mode: "live", ...more },
  });
  expect(made.status).toBe(201);
  return { keyId: made.body.key_id, key: made.body.api_key, tenant };
}

async function revoke({ keyId, tenant }: MadeKey, replica = 1): Promise<void> {
  const url = `${replicas.publicUrl("tenant", replica)}/api-keys/${keyId}`;
  expect((await call(url, "DELETE", { key: tenant.liveKey })).status).toBe(204);
}

/** What a tenant replica commits, for when none is there, or none lives on to tell of it. */
async function revokeUntold({ keyId }: MadeKey): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`
      with counted as (update change_counter set number = number + 1 returning number),
        told as (insert into change (number, subject) select number, ${keyId} from counted)
      update api_key set revoked_at = now(), version = counted.number from counted where key_id = ${keyId}`;
  });
}

const setLimits = (tenant: TestTenant, changes: Record<string, number>) =>
  adminCall(replicas.installation, "tenant", "PUT", `/tenants/${tenant.tenantId}/limits`, {
    requests_per_second: 1_000,
    burst: 2_000,
    events_per_second: 10_000,
    monthly_events: null,
    max_payment_amount: null,
    ...changes,
  });

test("asking every replica notices a key that goes on being granted", async () => {
  const made = await makeKey();
  await expect(countsWithinBound(doors, made.key, async () => {})).rejects.toThrow();
});

describe("on every replica of every app, within a second", () => {
  test("a revoked key is refused, and the tenant's other key goes on", async () => {
    const made = await makeKey();
    await countsWithinBound(doors, made.key, () => revoke(made));
    await everywhere(doors, made.key, 401);
    await everywhere(doors, made.tenant.liveKey, 200);
  });

  test("a suspended tenant is refused with all its keys, and admitted again when resumed", async () => {
    const made = await makeKey();
    const post = (what: string) =>
      adminCall(replicas.installation, "tenant", "POST", `/tenants/${made.tenant.tenantId}/${what}`);
    await countsWithinBound(doors, made.key, () => post("suspend"));
    for (const key of [made.key, made.tenant.liveKey, made.tenant.testKey]) await everywhere(doors, key, 403);
    await post("resume");
    await Bun.sleep(1_000);
    for (const door of doors) expect((await ask(door, made.key)).status).toBe(200);
  });

  test("a key past its expiry is refused", async () => {
    const expiresAt = Date.now() + 3_000;
    const made = await makeKey({ expires_at: new Date(expiresAt).toISOString() });
    await countsWithinBound(doors, made.key, () => Bun.sleep(expiresAt - Date.now()));
    await everywhere(doors, made.key, 401);
  });

  test("lowered limits count", async () => {
    const made = await makeKey();
    const before = (await ask(doors[0] ?? expect.unreachable(), made.key)).policy;
    expect(before).not.toBeNull();
    const late = await countsWithinBound(
      requestDoors(replicas),
      made.key,
      () => setLimits(made.tenant, { requests_per_second: 2, burst: 3 }),
      ({ policy }) => policy === before,
    );
    // All twelve doors together: two a second, and at most three at once.
    expect(late.filter(({ status }) => status === 200).length).toBeLessThan(12);
    expect(late.filter(({ status }) => status === 429).length).toBeGreaterThan(20);
  });

  test("lowered limits of events count", async () => {
    const made = await makeKey();
    const events = eventDoors(replicas);
    const { policy: before } = await ask(events[0] ?? expect.unreachable(), made.key);
    expect(before).toBe('"events";q=10000;w=1');
    const late = await countsWithinBound(
      events,
      made.key,
      () => setLimits(made.tenant, { events_per_second: 5_000 }),
      ({ policy }) => policy === before,
    );
    expect([...new Set(late.map(({ policy }) => policy))]).toEqual(['"events";q=10000;w=2']);
  });

  test("a lowered maximum amount refuses payments", async () => {
    const { tenant } = await makeKey();
    const pay = (replica: number) =>
      call(`${replicas.publicUrl("payment", replica)}/payments`, "POST", {
        key: tenant.liveKey,
        body: { amount: 700, currency: "INR", customer_id: crypto.randomUUID() },
      });
    for (const replica of [1, 2]) expect((await pay(replica)).status).toBe(201);
    await setLimits(tenant, { max_payment_amount: 699 });
    await Bun.sleep(1_000);
    for (const replica of [1, 2]) expect((await pay(replica)).body.code).toBe("amount_over_limit");
  });
});

describe("a revoked key is refused within a second, although", () => {
  test("the cache Redis is stopped, while other keys go on working", async () => {
    const made = await makeKey();
    await countsWithinBound(doors, made.key, async () => {
      await replicas.installation.installation.stopStore("cache", "SIGKILL");
      await revoke(made);
    });
    await everywhere(doors, made.key, 401);
    // Fraud needs the cache to score, not to know who asks.
    for (const door of doors) expect((await ask(door, made.tenant.liveKey)).status).toBe(200);
    await replicas.installation.installation.startStore("cache");
    await countsAfterwards(made);
  });

  test("the cache Redis is flushed at that moment, again and again", async () => {
    const made = await makeKey();
    const flushing = setInterval(() => void redis.flushall().catch(() => {}), 30);
    await countsWithinBound(doors, made.key, () => revoke(made)).finally(() => clearInterval(flushing));
    await countsAfterwards(made);
  });

  test("every message of it is lost", async () => {
    const made = await makeKey();
    const losing = setInterval(() => void redis.del(changesKey).catch(() => {}), 1);
    await countsWithinBound(doors, made.key, () => revoke(made)).finally(() => clearInterval(losing));
    await countsAfterwards(made);
  });

  test.each([[[1]], [[2]], [[1, 2]]])(
    "tenant replica %j is killed between commit and message",
    async (killed) => {
      const made = await makeKey();
      const kill = () => {
        for (const one of killed) replicas.installation.installation.kill("tenant", one, "SIGKILL");
      };
      const doorsThatLive = doors.filter(({ name }) => !killed.some((one) => name === `tenant-${one}`));
      await countsWithinBound(doorsThatLive, made.key, async () => {
        kill();
        await revokeUntold(made);
      });
      await everywhere(doors, made.tenant.liveKey, 200);
      await countsAfterwards(made);
    },
  );

  test("the tenant replica that answered is killed as soon as it has", async () => {
    for (let round = 0; round < killRounds; round += 1) {
      const replica = 1 + (round % 2);
      const made = await makeKey();
      const doorsThatLive = doors.filter(({ name }) => name !== `tenant-${replica}`);
      await countsWithinBound(doorsThatLive, made.key, async () => {
        await revoke(made, replica);
        replicas.installation.installation.kill("tenant", replica, "SIGKILL");
      });
      await everywhere(doors, made.tenant.liveKey, 200);
      await countsAfterwards(made);
    }
  }, 180_000);

  /** Once all is well again, it is refused for what it is, and another key is not. */
  async function countsAfterwards(made: MadeKey): Promise<void> {
    await everywhere(doors, made.tenant.liveKey, 200);
    await everywhere(doors, made.key, 401);
  }
});

test("while the tenant app is away altogether, nothing is granted that nobody can vouch for", async () => {
  const made = await makeKey();
  const others = doors.filter(({ name }) => !name.startsWith("tenant"));
  const { installation } = replicas.installation;
  await everywhere(doors, made.tenant.liveKey, 200);
  const late = await countsWithinBound(others, made.key, async () => {
    await Promise.all([1, 2].map((replica) => installation.stopApp("tenant", replica, "SIGKILL")));
    await revokeUntold(made);
  });
  expect([...new Set(late.map(({ status }) => status))]).toEqual([503]);
  for (const door of others) expect((await ask(door, made.tenant.liveKey)).status).toBe(503);
  await Promise.all([1, 2].map((replica) => installation.startApp("tenant", replica)));
  await everywhere(doors, made.tenant.liveKey, 200);
  await everywhere(doors, made.key, 401);
});

test("a key cannot widen its own scopes or mode, nor make or take over a stronger key", async () => {
  const url = (path: string) => `${replicas.publicUrl("tenant", 1)}${path}`;
  const weak = await makeKey({ scopes: ["keys:write", "payments:read"] });
  const post = (path: string, body: unknown) => call(url(path), "POST", { key: weak.key, body });
  const wider: [string, unknown][] = [
    ["/api-keys", { name: "more", mode: "live", scopes: ["payments:read", "payments:write"] }],
    ["/api-keys", { name: "test", mode: "test", scopes: ["payments:read"] }],
  ];
  for (const [path, body] of wider) {
    const answer = await post(path, body);
    expect([body, answer.status, answer.body.code]).toEqual([body, 403, "insufficient_scope"]);
  }
  const unnamed = await post("/api-keys", { name: "as I am", mode: "live" });
  expect(unnamed.body.scopes.sort()).toEqual(["keys:write", "payments:read"]);
  const listed = await call(url("/api-keys"), "GET", { key: weak.tenant.liveKey });
  const strong = listed.body.data.find(
    (one: { key_id: string }) => ![weak.keyId, unnamed.body.key_id].includes(one.key_id),
  );
  const stolen = await post(`/api-keys/${strong.key_id}/rotate`, { overlap_seconds: 0 });
  expect(stolen.body.code).toBe("insufficient_scope");
  const removed = await call(url(`/api-keys/${strong.key_id}`), "DELETE", { key: weak.key });
  expect(removed.body.code).toBe("insufficient_scope");
  const smuggled = await post(`/api-keys/${weak.keyId}/rotate`, {
    overlap_seconds: 0,
    scopes: ["payments:write"],
  });
  expect(smuggled.body.code).toBe("invalid_request");

  const rotated = await post(`/api-keys/${weak.keyId}/rotate`, { overlap_seconds: 0 });
  expect(rotated.status).toBe(200);
  for (const replica of [1, 2]) {
    const refused = await call(`${replicas.publicUrl("payment", replica)}/payments`, "POST", {
      key: rotated.body.api_key,
      body: { amount: 100, currency: "INR" },
    });
    expect(refused.body.code).toBe("insufficient_scope");
  }
});
