import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { defaultLimits, scopes } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { connectDatabase } from "@payflow/service-kit/store/database.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { adminToken, call, internalSecret, type Replica, register, startReplica } from "./harness.ts";

let database: TestDatabase;
let redis: TestRedisPair;
let replica: Replica;
let received: { path: string; body: unknown; token: string | null; requestId: string | null }[] = [];
let answerOfNotifier = () => Response.json({ endpoint_id: "whe_1", url: "https://example.com/hook" });
// Stands for the notifier app, whose own tests show what it does with this call.
const notifier = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    received.push({
      path: `${request.method} ${new URL(request.url).pathname}`,
      body: await request.json(),
      token: request.headers.get("x-internal-token"),
      requestId: request.headers.get("request-id"),
    });
    return answerOfNotifier();
  },
});

beforeAll(async () => {
  [database, redis] = await Promise.all([testPostgres("tenant"), testRedis()]);
  const stores = { databaseUrl: database.serviceUrl, redisUrl: redis.cache.url };
  replica = startReplica(stores, { NOTIFIER_SERVICE_URL: `http://127.0.0.1:${notifier.port}` });
  replica.publisher.start();
});

afterAll(async () => {
  await replica.close();
  await notifier.stop(true);
  await Promise.all([redis.close(), database.drop()]);
});

const get = (path: string, init = {}) => call(replica.app, "GET", path, init);
const post = (path: string, init = {}) => call(replica.app, "POST", path, init);
const put = (path: string, init = {}) => call(replica.app, "PUT", path, init);
const patch = (path: string, init = {}) => call(replica.app, "PATCH", path, init);

describe("a registration", () => {
  test("answers with two working keys with every scope, and tells of itself on the bus", async () => {
    const answer = await post("/tenants/register", { body: { name: "Ünï Books", email: "a@example.com" } });
    expect(answer.status).toBe(201);
    expect(Object.keys(answer.body).sort()).toEqual(
      ["api_key", "created_at", "email", "name", "tenant_id", "test_api_key"].sort(),
    );
    expect(answer.body.api_key).toMatch(/^pfk_live_[0-9A-Za-z]{38}$/);
    expect(answer.body.test_api_key).toMatch(/^pfk_test_[0-9A-Za-z]{38}$/);
    for (const key of [answer.body.api_key, answer.body.test_api_key]) {
      const me = await get("/tenants/me", { key });
      expect(me.status).toBe(200);
      expect(me.body).toMatchObject({
        tenant_id: answer.body.tenant_id,
        name: "Ünï Books",
        status: "active",
        limits: defaultLimits,
      });
      const keys = await get("/api-keys", { key });
      expect(keys.body.data).toHaveLength(1);
      expect(keys.body.data[0].scopes).toEqual([...scopes]);
    }
    const events = await eventsOf(answer.body.tenant_id);
    expect(events).toMatchObject([
      {
        type: "tenant.changed",
        mode: "live",
        sequence: null,
        data: { change: "registered", status: "active" },
      },
    ]);
    expect(events[0]?.request_id).toBe(answer.headers.get("request-id"));
  });

  test("leaves neither key in the database", async () => {
    const made = await register(replica);
    const { sql, close } = connectDatabase(database.adminUrl, { name: "test" });
    const text = JSON.stringify([
      await sql`select * from api_key`,
      await sql`select * from api_key_value`,
      await sql`select * from outbox`,
    ]);
    await close();
    for (const key of [made.api_key, made.test_api_key]) expect(text).not.toContain(key.slice(13, -4));
  });

  test.each([
    ["no name", { email: "a@example.com" }, "/name"],
    ["an empty name", { name: "", email: "a@example.com" }, "/name"],
    ["a name of 201 characters", { name: "x".repeat(201), email: "a@example.com" }, "/name"],
    ["a control character", { name: "a\u0007b", email: "a@example.com" }, "/name"],
    ["no address", { name: "A", email: "nowhere" }, "/email"],
    ["an unknown field", { name: "A", email: "a@example.com", mode: "live" }, "/mode"],
  ])("with %s is refused and names the field", async (_, body, pointer) => {
    const answer = await post("/tenants/register", { body });
    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe("invalid_request");
    expect(answer.body.errors.map((one: { pointer: string }) => one.pointer)).toContain(pointer);
  });

  test("takes the admin token where the installation says so", async () => {
    const stores = { databaseUrl: database.serviceUrl, redisUrl: redis.cache.url };
    const closed = startReplica(stores, { TENANT_REGISTRATION: "admin" });
    const body = { name: "A", email: "a@example.com" };
    const refused = await call(closed.app, "POST", "/tenants/register", { body });
    const wrong = await call(closed.app, "POST", "/tenants/register", { body, token: `${adminToken}x` });
    const right = await call(closed.app, "POST", "/tenants/register", { body, token: adminToken });
    await closed.close();
    expect([refused.status, wrong.status, right.status]).toEqual([401, 401, 201]);
    expect(refused.body.code).toBe("invalid_admin_token");
  });
});

describe("a tenant's own record", () => {
  test("changes by the fields given, for both modes", async () => {
    const made = await register(replica);
    const named = await patch("/tenants/me", { key: made.test_api_key, body: { name: "Loud Books" } });
    expect(named.status).toBe(200);
    expect(named.body).toMatchObject({ name: "Loud Books", email: "owner@example.com" });
    await patch("/tenants/me", { key: made.api_key, body: { email: "new@example.com" } });
    const me = await get("/tenants/me", { key: made.api_key });
    expect(me.body).toMatchObject({ name: "Loud Books", email: "new@example.com" });
    const changes = (await eventsOf(made.tenant_id)).map((event) => event.data.change);
    expect(changes).toEqual(["registered", "updated", "updated"]);
  });

  test("is refused without a key, with a mistyped one, without the scope, with nothing to change", async () => {
    const made = await register(replica);
    expect((await get("/tenants/me")).body.code).toBe("invalid_api_key");
    expect((await get("/tenants/me", { key: `${made.api_key.slice(0, -1)}!` })).status).toBe(401);
    const reader = await post("/api-keys", {
      key: made.api_key,
      body: { name: "reader", mode: "live", scopes: ["payments:read"] },
    });
    const narrow = await patch("/tenants/me", { key: reader.body.api_key, body: { name: "B" } });
    expect(narrow.status).toBe(403);
    expect(narrow.body.code).toBe("insufficient_scope");
    expect((await get("/tenants/me", { key: reader.body.api_key })).status).toBe(200);
    for (const body of [{}, { name: 5 }, { status: "active" }]) {
      expect((await patch("/tenants/me", { key: made.api_key, body })).status).toBe(400);
    }
    expect((await patch("/tenants/me", { key: made.api_key, body: "{" })).body.code).toBe("invalid_json");
  });
});

describe("the default webhook", () => {
  test("is asked of notifier for the tenant and the key's mode", async () => {
    const made = await register(replica);
    received = [];
    const url = "https://example.com/hook";
    const answer = await put(`/tenants/${made.tenant_id}/webhook`, { key: made.test_api_key, body: { url } });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ endpoint_id: "whe_1", url });
    expect(received).toEqual([
      {
        path: `PUT /internal/v1/default-endpoints/${made.tenant_id}/test`,
        body: { url },
        token: internalSecret,
        requestId: answer.headers.get("request-id"),
      },
    ]);
  });

  test("of another tenant, or of a malformed id, is not found and changes nothing", async () => {
    const [made, other] = [await register(replica), await register(replica)];
    received = [];
    for (const id of [other.tenant_id, newId("ten"), "me", "x"]) {
      const answer = await put(`/tenants/${id}/webhook`, {
        key: made.api_key,
        body: { url: "https://example.com" },
      });
      expect([answer.status, answer.body.code]).toEqual([404, "not_found"]);
    }
    expect(received).toEqual([]);
  });

  test("passes on what notifier refuses, and says when notifier is away", async () => {
    const made = await register(replica);
    const send = (url: string) =>
      put(`/tenants/${made.tenant_id}/webhook`, { key: made.api_key, body: { url } });
    const usual = answerOfNotifier;
    const errors = [{ pointer: "/url", message: "Expected https" }];
    answerOfNotifier = () =>
      Response.json({ code: "invalid_request", detail: "no", errors }, { status: 400 });
    const refused = await send("http://example.com/x");
    expect([refused.status, refused.body.code, refused.body.errors]).toEqual([
      400,
      "invalid_request",
      errors,
    ]);
    answerOfNotifier = () => Response.json({ code: "limit_reached", detail: "fifty" }, { status: 409 });
    expect((await send("https://example.com")).body.code).toBe("limit_reached");
    for (const broken of [
      () => new Response("oops", { status: 500 }),
      () => Response.json({ code: "invalid_internal_token" }, { status: 401 }),
      () => Response.json({ surprise: true }),
    ]) {
      answerOfNotifier = broken;
      const away = await send("https://example.com");
      expect([away.status, away.headers.get("retry-after")]).toEqual([503, "1"]);
    }
    answerOfNotifier = usual;
    expect((await send("not a url")).status).toBe(400);
  });
});

describe("the platform's owner", () => {
  const admin = { token: adminToken };
  const limits = {
    requests_per_second: 50,
    burst: 60,
    events_per_second: 70,
    monthly_events: 1_000,
    max_payment_amount: 9_000,
  };

  test("lists tenants newest first, page by page, stable while tenants are added", async () => {
    const made = [await register(replica), await register(replica), await register(replica)];
    const first = await get("/tenants?limit=2", admin);
    expect(first.body.data.map((one: { tenant_id: string }) => one.tenant_id)).toEqual([
      made[2]?.tenant_id,
      made[1]?.tenant_id,
    ]);
    expect(first.body.has_more).toBe(true);
    await register(replica);
    const second = await get(`/tenants?limit=2&cursor=${first.body.next_cursor}`, admin);
    expect(second.body.data[0].tenant_id).toBe(made[0]?.tenant_id);
    expect((await get("/tenants?cursor=abc", admin)).body.code).toBe("invalid_cursor");
    expect((await get("/tenants?limit=0", admin)).body.code).toBe("invalid_request");
    expect((await get("/tenants?status=active", admin)).body.code).toBe("invalid_request");
  });

  test("suspends and resumes, each once however often asked", async () => {
    const made = await register(replica);
    for (const [path, status] of [
      ["suspend", "suspended"],
      ["suspend", "suspended"],
      ["resume", "active"],
      ["resume", "active"],
    ]) {
      const answer = await post(`/tenants/${made.tenant_id}/${path}`, admin);
      expect([answer.status, answer.body.status]).toEqual([200, status]);
    }
    expect((await post(`/tenants/${made.tenant_id}/resume`, { ...admin, body: {} })).status).toBe(200);
    for (const body of [{ reason: "x" }, "5", "[]", "null", '"text"']) {
      const wrong = await post(`/tenants/${made.tenant_id}/suspend`, { ...admin, body });
      expect([wrong.status, wrong.body.code]).toEqual([400, "invalid_request"]);
    }
    const changes = (await eventsOf(made.tenant_id)).map((event) => event.data.change);
    expect(changes).toEqual(["registered", "suspended", "resumed"]);
  });

  test("sets all limits at once", async () => {
    const made = await register(replica);
    const answer = await put(`/tenants/${made.tenant_id}/limits`, { ...admin, body: limits });
    expect([answer.status, answer.body.limits]).toEqual([200, limits]);
    const { burst: _, ...incomplete } = limits;
    for (const body of [
      incomplete,
      { ...limits, burst: 0 },
      { ...limits, burst: 1e300 },
      { ...limits, monthly_events: 1e20 },
      { ...limits, max_payment_amount: "5" },
      { ...limits, other: 1 },
      [],
      null,
    ]) {
      const refused = await put(`/tenants/${made.tenant_id}/limits`, { ...admin, body });
      expect([refused.status, refused.body.code]).toEqual([400, "invalid_request"]);
    }
  });

  test("finds no tenant under an unknown or malformed id", async () => {
    for (const id of [newId("ten"), newId("key"), "nobody", "%00", "ten_'"]) {
      expect((await post(`/tenants/${id}/suspend`, admin)).body.code).toBe("not_found");
      expect((await post(`/tenants/${id}/resume`, admin)).body.code).toBe("not_found");
      expect((await put(`/tenants/${id}/limits`, { ...admin, body: limits })).body.code).toBe("not_found");
    }
  });

  test("is nobody with a tenant's key", async () => {
    const { tenant_id: id, api_key } = await register(replica);
    for (const credential of [{ key: api_key }, { token: api_key }, {}, { token: "" }]) {
      for (const [method, path, body] of [
        ["GET", "/tenants"],
        ["POST", `/tenants/${id}/suspend`],
        ["POST", `/tenants/${id}/resume`],
        ["PUT", `/tenants/${id}/limits`, limits],
      ] as const) {
        const answer = await call(replica.app, method, path, { ...credential, body });
        expect([answer.status, answer.body.code]).toEqual([401, "invalid_admin_token"]);
      }
    }
    expect((await get("/tenants/me", { key: api_key })).body.status).toBe("active");
  });
});

test("the internal port tells of a tenant, to our own services only", async () => {
  const made = await register(replica);
  const path = `/internal/v1/tenants/${made.tenant_id}`;
  const answer = await call(replica.internal, "GET", path, { internal: internalSecret });
  expect(answer.body).toMatchObject({
    tenant_id: made.tenant_id,
    name: "Quiet Books",
    limits: defaultLimits,
  });
  expect((await call(replica.internal, "GET", path, { internal: "x" })).status).toBe(401);
  expect((await call(replica.internal, "GET", path, { key: made.api_key })).status).toBe(401);
  const unknown = `/internal/v1/tenants/${newId("ten")}`;
  expect((await call(replica.internal, "GET", unknown, { internal: internalSecret })).status).toBe(404);
});

async function eventsOf(tenantId: string) {
  const { sql, close } = connectDatabase(database.adminUrl, { name: "test" });
  const rows = await sql<{ envelope: string }[]>`
    select envelope from outbox where topic = 'tenant.changed' and key = ${tenantId} order by id`;
  await close();
  return rows.map((row) => JSON.parse(row.envelope));
}
