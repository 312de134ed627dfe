import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { defaultLimits } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import {
  type Governor,
  governedId,
  governedKeyId,
  governorHeaders,
} from "@payflow/contracts/internal-operator.ts";
import { governedKeyPath, internalTenantPath, type PutKeyBody } from "@payflow/contracts/internal-tenant.ts";
import { hashApiKey, makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import type { TenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { connectDatabase, type Database } from "@payflow/service-kit/store/database.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { adminToken, call, internalSecret, otherApp, type Replica, startReplica } from "./harness.ts";

setDefaultTimeout(30_000);

let postgres: TestDatabase;
let redis: TestRedisPair;
let replica: Replica;
let other: TenantAccess;
let database: Database;
const paying = new Set<string>();
// Stands for the payment app, whose own tests show what it answers.
const payment = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request) =>
    Response.json({ exists: paying.has(new URL(request.url).pathname.split("/")[4] ?? "") }),
});

beforeAll(async () => {
  [postgres, redis] = await Promise.all([testPostgres("tenant"), testRedis()]);
  const stores = { databaseUrl: postgres.serviceUrl, redisUrl: redis.cache.url };
  replica = startReplica(stores, { PAYMENT_SERVICE_URL: `http://127.0.0.1:${payment.port}` });
  replica.publisher.start();
  await eventually(() => replica.publisher.epoch !== "");
  other = otherApp(stores, replica.internalUrl);
  database = connectDatabase(postgres.adminUrl, { name: "test" });
});

afterAll(async () => {
  await other.close();
  await replica.close();
  await database.close();
  await payment.stop(true);
  await Promise.all([redis.close(), postgres.drop()]);
});

const limits = { ...defaultLimits, requests_per_second: 40, max_payment_amount: 5_000 };
const spec = {
  name: "Quiet Books",
  email: "owner@example.com",
  mode: "both",
  currency: "INR",
  limits,
  suspended: false,
  deletion_policy: "archive",
};
const noLimits = { requests_per_second: 7, burst: 7, events_per_second: 7, monthly_events: null };

/** A resource as the leading operator sees it. Each has a cluster of its own, so that tests share no fence. */
function newResource() {
  const uid = crypto.randomUUID();
  const governor = (
    given: { generation?: number; createdMs?: number; transitions?: number } = {},
  ): Governor => ({
    owner: { cluster: uid, namespace: "shop", name: "books", uid },
    generation: given.generation ?? 1,
    fence: { lease: "payflow", createdMs: given.createdMs ?? 1_000, transitions: given.transitions ?? 1 },
  });
  const id = governedId("ten", uid);
  const send = (method: string, path: string, by: Governor, body?: unknown) =>
    call(replica.internal, method, path, { internal: internalSecret, headers: governorHeaders(by), body });
  return {
    uid,
    id,
    governor,
    put: (body: object = spec, by = governor()) => send("PUT", internalTenantPath(id), by, body),
    delete: (policy?: string, by = governor()) =>
      send("DELETE", internalTenantPath(id) + (policy === undefined ? "" : `?policy=${policy}`), by),
    get: () => call(replica.internal, "GET", internalTenantPath(id), { internal: internalSecret }),
    putKey: (key: string, given: Partial<PutKeyBody> = {}, by = governor()) => {
      const key_sha256 = hashApiKey(key);
      const body = { key_sha256, mode: "live", name: "api-key", scopes: ["payments:read"], expires_at: null };
      return send("PUT", governedKeyPath(id, governedKeyId(uid, key_sha256)), by, { ...body, ...given });
    },
    deleteKey: (key: string, by = governor()) =>
      send("DELETE", governedKeyPath(id, governedKeyId(uid, hashApiKey(key))), by),
  };
}
type Resource = ReturnType<typeof newResource>;

async function made(body: object = spec): Promise<Resource> {
  const resource = newResource();
  expect((await resource.put(body)).status).toBe(200);
  return resource;
}

async function answerOf(key: string): Promise<string> {
  try {
    return `${(await other.authenticator.authenticate(key)).limits.requests_per_second}/s`;
  } catch (error) {
    return error instanceof Error && "reason" in error ? String(error.reason) : String(error);
  }
}
/** What the contract gives a change to be felt everywhere. */
const withinASecond = (key: string, expected: string) =>
  eventually(async () => expect(await answerOf(key)).toBe(expected), { timeoutMs: 1_000, everyMs: 10 });

async function changesOf(tenantId: string): Promise<string[]> {
  const rows = await database.sql<{ envelope: string }[]>`
    select envelope from outbox where topic = 'tenant.changed' and key = ${tenantId} order by id`;
  return rows.map((row) => JSON.parse(row.envelope).data.change);
}

describe("a tenant of a resource", () => {
  test("is made once, and putting it again writes nothing", async () => {
    const resource = newResource();
    const first = await resource.put();
    expect([first.status, first.body]).toMatchObject([
      200,
      {
        tenant_id: resource.id,
        name: "Quiet Books",
        status: "active",
        state: "open",
        mode: "both",
        currency: "INR",
        managed_by: "kubernetes",
        generation: 1,
        limits,
        keys: [],
      },
    ]);
    const rows = () =>
      database.sql`
      select t.xmin, g.xmin from tenant t join governed_object g on g.id = t.tenant_id
       where t.tenant_id = ${resource.id}`.values();
    const before = await rows();
    const again = await Promise.all([resource.put(), resource.put(), resource.put()]);
    expect(again.map((answer) => answer.body)).toEqual([first.body, first.body, first.body]);
    expect(await rows()).toEqual(before);
    expect(await changesOf(resource.id)).toEqual(["registered"]);
  });

  test("put many times at once is one tenant", async () => {
    const resource = newResource();
    const answers = await Promise.all(Array.from({ length: 8 }, () => resource.put()));
    expect(answers.map((answer) => answer.status)).toEqual(Array(8).fill(200));
    expect(await changesOf(resource.id)).toEqual(["registered"]);
  });

  test("follows its resource, and its keys feel that within a second", async () => {
    const resource = await made();
    const key = makeApiKey("live");
    await resource.putKey(key);
    expect(await answerOf(key)).toBe("40/s");
    const slower = { ...spec, limits: { ...limits, ...noLimits } };
    await resource.put(slower, resource.governor({ generation: 2 }));
    await withinASecond(key, "7/s");
    await resource.put({ ...slower, suspended: true }, resource.governor({ generation: 3 }));
    await withinASecond(key, "tenant_suspended");
    await resource.put({ ...slower, name: "Loud" }, resource.governor({ generation: 4 }));
    await withinASecond(key, "7/s");
    expect(await changesOf(resource.id)).toEqual(["registered", "limits", "suspended", "updated", "resumed"]);
    expect((await resource.get()).body).toMatchObject({ name: "Loud", generation: 4 });
  });

  test("keeps mode and currency for good", async () => {
    const resource = await made();
    const changed = { ...spec, mode: "live", currency: "EUR", name: "Other" };
    const answer = await resource.put(changed, resource.governor({ generation: 2 }));
    expect([answer.status, answer.body.code]).toEqual([422, "immutable_field"]);
    expect(answer.body.errors.map((one: { pointer: string }) => one.pointer)).toEqual(["/mode", "/currency"]);
    expect((await resource.get()).body).toMatchObject({ name: "Quiet Books", generation: 1 });
  });

  test("tells its currency to whoever checks its keys", async () => {
    const resource = await made({ ...spec, currency: "JPY" });
    const key = makeApiKey("live");
    await resource.putKey(key);
    expect((await other.authenticator.authenticate(key)).currency).toBe("JPY");
  });

  test("is refused with wrong fields, headers, credentials, or an id of another resource", async () => {
    const resource = newResource();
    expect((await resource.put({ ...spec, currency: "XXQ" })).body.errors[0].pointer).toBe("/currency");
    expect((await resource.put({ ...spec, extra: 1 })).status).toBe(400);
    const path = internalTenantPath(resource.id);
    const bare = await call(replica.internal, "PUT", path, { internal: internalSecret, body: spec });
    expect(bare.body.errors.map((one: { pointer: string }) => one.pointer)).toEqual([
      "#/header/x-payflow-owner",
      "#/header/x-payflow-generation",
      "#/header/x-payflow-fencing-token",
    ]);
    const headers = governorHeaders(resource.governor());
    const stranger = await call(replica.internal, "PUT", path, { internal: "x", headers, body: spec });
    expect(stranger.status).toBe(401);
    const foreign = governorHeaders(newResource().governor());
    const other = await call(replica.internal, "PUT", path, {
      internal: internalSecret,
      headers: foreign,
      body: spec,
    });
    expect(other.body.code).toBe("invalid_request");
    expect((await resource.get()).status).toBe(404);
  });
});

describe("the right to write", () => {
  test("is lost to a newer leader, at the same moment too, and never comes back", async () => {
    const resource = await made();
    const [older, newer] = [{ transitions: 1 }, { transitions: 2 }];
    for (let round = 0; round < 10; round += 1) {
      const fence = { createdMs: 2_000 + round };
      const answers = await Promise.all(
        [older, newer, older, newer].map((by) => {
          const name = by === newer ? `new ${round}` : `old ${round}`;
          return resource.put({ ...spec, name }, resource.governor({ ...fence, ...by }));
        }),
      );
      expect([answers[1]?.status, answers[3]?.status]).toEqual([200, 200]);
      for (const answer of [answers[0], answers[2]]) {
        expect([200, 409]).toContain(answer?.status ?? 0);
        if (answer?.status === 409) expect(answer.body.code).toBe("stale_leader");
      }
      expect((await resource.get()).body.name).toBe(`new ${round}`);
      const late = await resource.put({ ...spec, name: "late" }, resource.governor({ ...fence, ...older }));
      expect(late.body.code).toBe("stale_leader");
      expect((await resource.get()).body.name).toBe(`new ${round}`);
    }
    const recreated = { createdMs: 9_000, transitions: 0 };
    expect((await resource.put(spec, resource.governor(recreated))).status).toBe(200);
    expect((await resource.putKey(makeApiKey("live"))).body.code).toBe("stale_leader");
    expect((await resource.delete()).body.code).toBe("stale_leader");
  });

  test("of one Lease says nothing of another Lease or cluster", async () => {
    const resource = await made();
    const by = resource.governor({ createdMs: 1 });
    expect((await resource.put(spec, by)).body.code).toBe("stale_leader");
    const lease = { ...by, fence: { ...by.fence, lease: "payflow-of-a-team" } };
    expect((await resource.put(spec, lease)).status).toBe(200);
    const cluster = { ...by, owner: { ...by.owner, cluster: "another" } };
    expect((await resource.put(spec, cluster)).body.code).toBe("governed_by_another");
  });

  test("is not an older generation's", async () => {
    const resource = await made();
    await resource.put({ ...spec, name: "Three" }, resource.governor({ generation: 3 }));
    const stale = await resource.put({ ...spec, name: "Two" }, resource.governor({ generation: 2 }));
    expect([stale.status, stale.body.code]).toEqual([409, "stale_generation"]);
    expect((await resource.putKey(makeApiKey("live"))).body.code).toBe("stale_generation");
    expect((await resource.get()).body).toMatchObject({ name: "Three", generation: 3, keys: [] });
  });
});

describe("keys of a resource", () => {
  test("work once registered by hash, and both work until the end that was set for the older", async () => {
    const resource = await made();
    const [current, next] = [makeApiKey("live"), makeApiKey("live")];
    const first = await resource.putKey(current);
    expect(first.body).toMatchObject({ mode: "live", is_active: true, expires_at: null });
    expect((await resource.putKey(current)).body).toEqual(first.body);
    await resource.putKey(next);
    expect([await answerOf(current), await answerOf(next)]).toEqual(["40/s", "40/s"]);
    const expires_at = new Date(Date.now() + 1_500).toISOString();
    const ending = await resource.putKey(current, { expires_at });
    expect(ending.body).toMatchObject({ expires_at, is_active: true });
    expect(await answerOf(current)).toBe("40/s");
    // Nobody has to say so again: the operator may be gone by then.
    await eventually(async () => expect(await answerOf(current)).toBe("invalid_api_key"), {
      timeoutMs: 2_500,
    });
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expires_at) - 50);
    expect(await answerOf(next)).toBe("40/s");
    expect((await resource.putKey(current, { expires_at })).status).toBe(200);
    const revived = await resource.putKey(current, { expires_at: null });
    expect([revived.status, revived.body.code]).toEqual([409, "invalid_state"]);
  });

  test("that end at once, or are revoked, are refused within a second", async () => {
    const resource = await made();
    const [ended, revoked] = [makeApiKey("live"), makeApiKey("live")];
    for (const key of [ended, revoked]) {
      await resource.putKey(key);
      expect(await answerOf(key)).toBe("40/s");
    }
    await resource.putKey(ended, { expires_at: new Date(Date.now() - 1_000).toISOString() });
    await withinASecond(ended, "invalid_api_key");
    expect((await resource.deleteKey(revoked)).status).toBe(204);
    await withinASecond(revoked, "invalid_api_key");
    expect((await resource.deleteKey(revoked)).status).toBe(204);
    expect((await resource.putKey(revoked)).body.code).toBe("invalid_state");
    expect((await resource.deleteKey(makeApiKey("live"))).status).toBe(404);
  });

  test("are three at most in a mode, however many come at once", async () => {
    const resource = await made();
    const keys = Array.from({ length: 8 }, () => makeApiKey("live"));
    const answers = await Promise.all(keys.map((key) => resource.putKey(key)));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(3);
    expect(answers.filter((answer) => answer.body.code === "limit_reached")).toHaveLength(5);
    expect((await resource.putKey(makeApiKey("test"), { mode: "test" })).status).toBe(200);
    expect((await resource.get()).body.keys).toHaveLength(4);
  });

  test("are refused in a mode the tenant does not have, under a wrong id, or before the tenant is there", async () => {
    const resource = await made({ ...spec, mode: "test" });
    const live = await resource.putKey(makeApiKey("live"));
    expect(live.body.errors[0].pointer).toBe("/mode");
    const wrong = await call(replica.internal, "PUT", governedKeyPath(resource.id, newId("key")), {
      internal: internalSecret,
      headers: governorHeaders(resource.governor()),
      body: {
        key_sha256: "0".repeat(64),
        mode: "test",
        name: "k",
        scopes: ["payments:read"],
        expires_at: null,
      },
    });
    expect(wrong.body.code).toBe("invalid_request");
    expect((await newResource().putKey(makeApiKey("live"))).status).toBe(404);
  });

  test("of another tenant are not registered a second time", async () => {
    const [one, two] = [await made(), await made()];
    const key = makeApiKey("live");
    await one.putKey(key);
    expect((await two.putKey(key)).body.code).toBe("governed_by_another");
    expect((await other.authenticator.authenticate(key)).tenantId).toBe(one.id);
  });
});

test("REST only reads what a resource governs", async () => {
  const resource = await made();
  const key = makeApiKey("live");
  const keyId = governedKeyId(resource.uid, hashApiKey(key));
  await resource.putKey(key, { scopes: ["keys:write", "payments:read"] });
  const refused: readonly [string, string, object][] = [
    ["PATCH", "/tenants/me", { key, body: { name: "Mine" } }],
    ["POST", `/tenants/${resource.id}/suspend`, { token: adminToken }],
    ["POST", `/tenants/${resource.id}/resume`, { token: adminToken }],
    ["PUT", `/tenants/${resource.id}/limits`, { token: adminToken, body: limits }],
    ["DELETE", `/api-keys/${keyId}`, { key }],
    ["POST", `/api-keys/${keyId}/rotate`, { key, body: { overlap_seconds: 0 } }],
  ];
  for (const [method, path, given] of refused) {
    const answer = await call(replica.app, method, path, given);
    expect([path, answer.status, answer.body.code]).toEqual([path, 409, "managed_by_kubernetes"]);
  }
  const me = await call(replica.app, "GET", "/tenants/me", { key });
  expect(me.body).toMatchObject({
    name: "Quiet Books",
    managed_by: "kubernetes",
    currency: "INR",
    mode: "both",
  });
  const keys = await call(replica.app, "GET", "/api-keys", { key });
  expect(keys.body.data).toMatchObject([{ key_id: keyId, managed_by: "kubernetes" }]);
  expect(await answerOf(key)).toBe("40/s");
});

describe("a deleted resource's tenant", () => {
  test("that is retained stays as it is, and belongs to REST from then on", async () => {
    const resource = await made();
    const key = makeApiKey("live");
    await resource.putKey(key);
    const answer = await resource.delete("retain");
    expect([answer.status, answer.body]).toMatchObject([
      200,
      { state: "open", managed_by: null, generation: null },
    ]);
    expect((await resource.delete("retain")).body).toEqual(answer.body);
    expect(await answerOf(key)).toBe("40/s");
    const suspended = await call(replica.app, "POST", `/tenants/${resource.id}/suspend`, {
      token: adminToken,
    });
    expect(suspended.status).toBe(200);
    expect((await resource.put()).body.code).toBe("invalid_state");
    expect((await resource.putKey(makeApiKey("live"))).body.code).toBe("invalid_state");
  });

  test("that is archived is suspended for good, its keys revoked, by the policy that was put last", async () => {
    const resource = await made();
    const key = makeApiKey("live");
    await resource.putKey(key);
    expect(await answerOf(key)).toBe("40/s");
    expect((await resource.delete()).body).toMatchObject({
      state: "archived",
      status: "suspended",
      keys: [],
    });
    await withinASecond(key, "invalid_api_key");
    const resumed = await call(replica.app, "POST", `/tenants/${resource.id}/resume`, { token: adminToken });
    expect([resumed.status, resumed.body.code]).toEqual([409, "invalid_state"]);
    expect((await resource.get()).body.name).toBe("Quiet Books");
  });

  test("that has live payments is not purged, and can be archived still", async () => {
    const resource = await made();
    const key = makeApiKey("live");
    await resource.putKey(key);
    paying.add(resource.id);
    const refused = await resource.delete("purge");
    expect([refused.status, refused.body.code]).toEqual([409, "tenant_has_payments"]);
    expect((await resource.get()).body).toMatchObject({ state: "open", status: "active" });
    expect(await answerOf(key)).toBe("40/s");
    expect((await resource.delete("archive")).body.state).toBe("archived");
  });

  test("is closed first when purged, and erased only if no payment came in meanwhile", async () => {
    const [quiet, late] = [await made(), await made()];
    const key = makeApiKey("live");
    await quiet.putKey(key);
    expect(await answerOf(key)).toBe("40/s");
    for (const resource of [quiet, late]) {
      const closing = await resource.delete("purge");
      expect([closing.status, closing.headers.get("retry-after"), closing.body.state]).toEqual([
        202,
        "2",
        "closing",
      ]);
      expect((await resource.delete("purge")).status).toBe(202);
    }
    await withinASecond(key, "invalid_api_key");
    paying.add(late.id);
    await eventually(async () => expect((await quiet.delete("purge")).body.state).toBe("purged"), {
      timeoutMs: 10_000,
    });
    expect((await late.delete("purge")).body.code).toBe("tenant_has_payments");
    expect((await late.delete("retain")).body.state).toBe("archived");
    const erased = await quiet.get();
    expect(erased.body).toMatchObject({ name: "purged", email: "purged@invalid", keys: [] });
    const left = await database.sql`
      select 1 from api_key_value v join api_key k using (key_id) where k.tenant_id = ${quiet.id}`;
    expect(left).toHaveLength(0);
    const listed = await call(replica.app, "GET", "/tenants?limit=100", { token: adminToken });
    const ids = listed.body.data.map((one: { tenant_id: string }) => one.tenant_id);
    expect([ids.includes(quiet.id), ids.includes(late.id)]).toEqual([false, true]);
    expect((await quiet.put()).body.code).toBe("invalid_state");
  });

  test("that was never made is not found, and is not made by an older leader's put that comes late", async () => {
    const resource = newResource();
    for (const policy of ["purge", "retain"]) {
      expect((await resource.delete(policy, resource.governor({ transitions: 2 }))).status).toBe(404);
    }
    expect((await resource.put()).body.code).toBe("stale_leader");
    const again = await resource.put(spec, resource.governor({ transitions: 2 }));
    expect([again.status, again.body.code]).toEqual([409, "invalid_state"]);
    expect((await resource.get()).status).toBe(404);
  });
});
