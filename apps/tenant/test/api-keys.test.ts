import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { scopes } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { connectDatabase } from "@payflow/service-kit/store/database.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { call, type Replica, register, type Stores, startReplica } from "./harness.ts";

setDefaultTimeout(30_000);

let database: TestDatabase;
let redis: TestRedisPair;
let stores: Stores;
let replica: Replica;

beforeAll(async () => {
  [database, redis] = await Promise.all([testPostgres("tenant"), testRedis()]);
  stores = { databaseUrl: database.serviceUrl, redisUrl: redis.cache.url };
  replica = startReplica(stores);
  replica.publisher.start();
});

afterAll(async () => {
  await replica.close();
  await Promise.all([redis.close(), database.drop()]);
});

const post = (path: string, key: string, body?: unknown) => call(replica.app, "POST", path, { key, body });
const list = (key: string, query = "") => call(replica.app, "GET", `/api-keys${query}`, { key });
const remove = (id: string, key: string) => call(replica.app, "DELETE", `/api-keys/${id}`, { key });
const statusOf = async (key: string) => (await call(replica.app, "GET", "/tenants/me", { key })).status;
/** The contract's bound for a change to be felt everywhere. */
const soon = { timeoutMs: 1_000 };
const until = (key: string, status: number) =>
  eventually(async () => expect(await statusOf(key)).toBe(status), soon);

const make = async (key: string, body: object) => {
  const answer = await post("/api-keys", key, { name: "made", mode: "live", ...body });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return answer.body;
};

describe("making a key", () => {
  test("answers with the key once, and lists never show it", async () => {
    const { api_key } = await register(replica);
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const made = await make(api_key, { scopes: ["payments:read"], expires_at: expiresAt });
    expect(made).toMatchObject({
      name: "made",
      mode: "live",
      scopes: ["payments:read"],
      expires_at: expiresAt,
      last_used_at: null,
      previous_expires_at: null,
    });
    expect(await statusOf(made.api_key)).toBe(200);
    const { api_key: _, ...shown } = made;
    const listed = await list(api_key);
    expect(listed.body.data[0]).toEqual(shown);
    expect(shown.prefix + shown.last4).toBe(made.api_key.slice(0, 13) + made.api_key.slice(-4));
    expect(JSON.stringify(listed.body)).not.toContain(made.api_key.slice(13, -4));
  });

  test("without scopes gives those of the asking key", async () => {
    const { api_key } = await register(replica);
    const narrow = await make(api_key, { scopes: ["keys:write", "events:read"] });
    const made = await make(narrow.api_key, {});
    expect(made.scopes).toEqual(["keys:write", "events:read"]);
    expect((await make(api_key, {})).scopes).toEqual([...scopes]);
  });

  test("never widens scopes or changes the mode", async () => {
    const { api_key } = await register(replica);
    const narrow = await make(api_key, { scopes: ["keys:write", "payments:read"] });
    for (const body of [
      { name: "x", mode: "live", scopes: ["payments:write"] },
      { name: "x", mode: "live", scopes: ["payments:read", "refunds:write"] },
      { name: "x", mode: "test", scopes: ["payments:read"] },
      { name: "x", mode: "test" },
    ]) {
      const answer = await post("/api-keys", narrow.api_key, body);
      expect([answer.status, answer.body.code]).toEqual([403, "insufficient_scope"]);
    }
    const without = await make(api_key, { scopes: ["payments:read"] });
    expect((await post("/api-keys", without.api_key, { name: "x", mode: "live" })).status).toBe(403);
    expect((await list(api_key)).body.data).toHaveLength(3);
  });

  test.each([
    ["an unknown scope", { scopes: ["money:print"] }, "/scopes/0"],
    ["a scope twice", { scopes: ["events:read", "events:read"] }, "/scopes"],
    ["no scope at all", { scopes: [] }, "/scopes"],
    ["an expiry that is past", { expires_at: "2020-01-01T00:00:00Z" }, "/expires_at"],
    ["an expiry that is no time", { expires_at: "tomorrow" }, "/expires_at"],
    ["an unknown mode", { mode: "prod" }, "/mode"],
    ["an unknown field", { tenant_id: "ten_1" }, "/tenant_id"],
  ])("with %s is refused and names the field", async (_, wrong, pointer) => {
    const { api_key } = await register(replica);
    const answer = await post("/api-keys", api_key, { name: "x", mode: "live", ...wrong });
    expect([answer.status, answer.body.code]).toEqual([400, "invalid_request"]);
    expect(answer.body.errors.map((one: { pointer: string }) => one.pointer)).toContain(pointer);
  });

  test("stops at a hundred keys, however many ask at once, and goes on after one is deleted", async () => {
    const { api_key } = await register(replica);
    const answers = await Promise.all(
      Array.from({ length: 105 }, () => post("/api-keys", api_key, { name: "x", mode: "live" })),
    );
    expect(answers.filter((one) => one.status === 201)).toHaveLength(98);
    expect(new Set(answers.filter((one) => one.status !== 201).map((one) => one.body.code))).toEqual(
      new Set(["limit_reached"]),
    );
    await remove(answers.find((one) => one.status === 201)?.body.key_id, api_key);
    expect((await post("/api-keys", api_key, { name: "x", mode: "live" })).status).toBe(201);
  });
});

describe("listing keys", () => {
  test("shows those of the mode, newest first, page by page", async () => {
    const { api_key, test_api_key } = await register(replica);
    const made = [await make(api_key, {}), await make(api_key, {}), await make(api_key, {})];
    const first = await list(api_key, "?limit=2");
    expect(first.body.data.map((one: { key_id: string }) => one.key_id)).toEqual([
      made[2].key_id,
      made[1].key_id,
    ]);
    const second = await list(api_key, `?limit=2&cursor=${first.body.next_cursor}`);
    expect(second.body.data.map((one: { name: string }) => one.name)).toEqual(["made", "First live key"]);
    expect([second.body.has_more, second.body.next_cursor]).toEqual([false, null]);
    const foreign = await list(test_api_key, `?cursor=${first.body.next_cursor}`);
    expect([foreign.status, foreign.body.code]).toEqual([400, "invalid_cursor"]);
    expect((await list(test_api_key)).body.data).toHaveLength(1);
  });

  test("tells when a key was last used, without a write for each use", async () => {
    const { api_key } = await register(replica);
    const other = await make(api_key, {});
    for (let round = 0; round < 5; round += 1) await statusOf(other.api_key);
    await replica.usage.flush();
    const find = async () =>
      (await list(api_key)).body.data.find((one: { key_id: string }) => one.key_id === other.key_id);
    const used = Date.parse((await find()).last_used_at);
    expect(Math.abs(used - Date.now())).toBeLessThan(60_000);
  });
});

describe("rotating a key", () => {
  test("keeps its id and rights, and the old value works through the overlap only", async () => {
    const { api_key } = await register(replica);
    const made = await make(api_key, { scopes: ["payments:read"] });
    const rotated = await post(`/api-keys/${made.key_id}/rotate`, api_key, { overlap_seconds: 600 });
    expect(rotated.status).toBe(200);
    expect(rotated.body).toMatchObject({ key_id: made.key_id, scopes: ["payments:read"], name: "made" });
    expect(rotated.body.api_key).not.toBe(made.api_key);
    expect(rotated.body.last4).toBe(rotated.body.api_key.slice(-4));
    expect(Date.parse(rotated.body.previous_expires_at) - Date.now()).toBeGreaterThan(500_000);
    expect([await statusOf(made.api_key), await statusOf(rotated.body.api_key)]).toEqual([200, 200]);
    const short = await post(`/api-keys/${made.key_id}/rotate`, api_key, { overlap_seconds: 1 });
    await until(made.api_key, 401);
    expect(await statusOf(short.body.api_key)).toBe(200);
    await eventually(async () => expect(await statusOf(rotated.body.api_key)).toBe(401), {
      timeoutMs: 2_000,
    });
    expect(await statusOf(short.body.api_key)).toBe(200);
  });

  test("without an overlap ends the old value within a second", async () => {
    const { api_key } = await register(replica);
    const made = await make(api_key, {});
    expect(await statusOf(made.api_key)).toBe(200);
    const rotated = await post(`/api-keys/${made.key_id}/rotate`, api_key, { overlap_seconds: 0 });
    expect(rotated.body.previous_expires_at).toBeNull();
    await until(made.api_key, 401);
    expect(await statusOf(rotated.body.api_key)).toBe(200);
  });

  test("twice at once leaves one new value and one in overlap", async () => {
    const { api_key } = await register(replica);
    const made = await make(api_key, {});
    const rotations = await Promise.all(
      [1, 2, 3].map(() => post(`/api-keys/${made.key_id}/rotate`, api_key, { overlap_seconds: 600 })),
    );
    const values = [made.api_key, ...rotations.map((one) => one.body.api_key)];
    await eventually(async () => {
      const statuses = await Promise.all(values.map(statusOf));
      expect(statuses.filter((status) => status === 200)).toHaveLength(2);
    }, soon);
  });

  test("is refused for an expired key, a wrong overlap, and a key that may do more", async () => {
    const { api_key } = await register(replica);
    const made = await make(api_key, { expires_at: new Date(Date.now() + 400).toISOString() });
    const rotate = (body: unknown, key = api_key) => post(`/api-keys/${made.key_id}/rotate`, key, body);
    for (const body of [{}, { overlap_seconds: -1 }, { overlap_seconds: 1e9 }, { overlap_seconds: "5" }]) {
      expect((await rotate(body)).body.code).toBe("invalid_request");
    }
    expect((await rotate(undefined)).body.errors).toMatchObject([{ pointer: "/overlap_seconds" }]);
    const narrow = await make(api_key, { scopes: ["keys:write"] });
    expect((await rotate({ overlap_seconds: 0 }, narrow.api_key)).body.code).toBe("insufficient_scope");
    await until(made.api_key, 401);
    const late = await rotate({ overlap_seconds: 0 });
    expect([late.status, late.body.code]).toEqual([409, "invalid_state"]);
  });
});

describe("deleting a key", () => {
  test("refuses it within a second, once and for all", async () => {
    const { api_key } = await register(replica);
    const made = await make(api_key, {});
    expect(await statusOf(made.api_key)).toBe(200);
    const answer = await remove(made.key_id, api_key);
    expect([answer.status, answer.body]).toEqual([204, undefined]);
    await until(made.api_key, 401);
    expect((await remove(made.key_id, api_key)).body.code).toBe("not_found");
    expect((await post(`/api-keys/${made.key_id}/rotate`, api_key, { overlap_seconds: 0 })).status).toBe(404);
    expect((await list(api_key)).body.data).toHaveLength(1);
  });

  test("may be done by the key itself, but not by one that may do less", async () => {
    const { api_key } = await register(replica);
    const narrow = await make(api_key, { scopes: ["keys:write"] });
    const wide = await make(api_key, {});
    expect((await remove(wide.key_id, narrow.api_key)).body.code).toBe("insufficient_scope");
    expect(await statusOf(wide.api_key)).toBe(200);
    expect((await remove(narrow.key_id, narrow.api_key)).status).toBe(204);
    await until(narrow.api_key, 401);
  });
});

test("another tenant's key, the other mode's and an unknown id are all the same 404", async () => {
  const [mine, other] = [await register(replica), await register(replica)];
  const theirs = await make(other.api_key, {});
  const ofTest = (await list(mine.test_api_key)).body.data[0];
  for (const id of [theirs.key_id, ofTest.key_id, newId("key"), newId("ten"), "x", "%27"]) {
    const rotated = await post(`/api-keys/${id}/rotate`, mine.api_key, { overlap_seconds: 0 });
    const removed = await remove(id, mine.api_key);
    expect([rotated.status, rotated.body.code]).toEqual([404, "not_found"]);
    expect([removed.status, removed.body.code]).toEqual([404, "not_found"]);
  }
  expect(await statusOf(theirs.api_key)).toBe(200);
  expect(await statusOf(mine.test_api_key)).toBe(200);
});

test("keys stored under an older secret go on working and are carried over to the new one", async () => {
  const { api_key } = await register(replica);
  const settings = {
    API_KEY_SECRET: "another-secret-of-stored-keys-0123456789",
    API_KEY_SECRET_VERSION: 2,
    API_KEY_PREVIOUS_SECRETS: `1:${"secret-of-stored-keys-0123456789abcdefgh"}`,
  };
  const second = startReplica(stores, settings);
  const status = async (of: Replica, key: string) =>
    (await call(of.app, "GET", "/tenants/me", { key })).status;
  expect(await status(second, api_key)).toBe(200);
  await second.usage.flush();
  await second.close();
  const { API_KEY_PREVIOUS_SECRETS: _, ...without } = settings;
  const third = startReplica(stores, without);
  expect(await status(third, api_key)).toBe(200);
  await third.close();
  const { sql, close } = connectDatabase(database.adminUrl, { name: "test" });
  const versions = await sql`select distinct secret_version as version from api_key_value order by 1`;
  await close();
  expect(versions.map((row) => row.version)).toEqual([1, 2]);
});
