import { afterAll, beforeAll, expect } from "bun:test";
import { defaultLimits } from "@payflow/contracts/access.ts";
import {
  type Governor,
  governedId,
  governedKeyId,
  governorHeaders,
} from "@payflow/contracts/internal-operator.ts";
import { governedKeyPath, internalTenantPath, type PutKeyBody } from "@payflow/contracts/internal-tenant.ts";
import { hashApiKey } from "@payflow/service-kit/auth/api-key.ts";
import type { TenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { connectDatabase, type Database } from "@payflow/service-kit/store/database.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { call, internalSecret, otherApp, type Replica, startReplica } from "../harness.ts";

export const limits = { ...defaultLimits, requests_per_second: 40, max_payment_amount: 5_000 };
export const spec = {
  name: "Quiet Books",
  email: "owner@example.com",
  mode: "both",
  currency: "INR",
  limits,
  suspended: false,
  deletion_policy: "archive",
};

let postgres: TestDatabase;
let redis: TestRedisPair;
export let replica: Replica;
/** Another app, which checks keys. */
export let other: TenantAccess;
export let database: Database;
/** The tenants that the payment app has live payments of. */
export const paying = new Set<string>();

/** Starts what these tests need, and ends it after them. */
export function useGovernedTenants(): void {
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
  }, 30_000);

  afterAll(async () => {
    await other.close();
    await replica.close();
    await database.close();
    await payment.stop(true);
    await Promise.all([redis.close(), postgres.drop()]);
  });
}

/** A resource as the leading operator sees it. Each has a cluster of its own, so that tests share no fence. */
export function newResource() {
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
export type Resource = ReturnType<typeof newResource>;

export async function made(body: object = spec): Promise<Resource> {
  const resource = newResource();
  expect((await resource.put(body)).status).toBe(200);
  return resource;
}

export async function answerOf(key: string): Promise<string> {
  try {
    return `${(await other.authenticator.authenticate(key)).limits.requests_per_second}/s`;
  } catch (error) {
    return error instanceof Error && "reason" in error ? String(error.reason) : String(error);
  }
}
/** What the contract gives a change to be felt everywhere. */
export const withinASecond = (key: string, expected: string) =>
  eventually(async () => expect(await answerOf(key)).toBe(expected), { timeoutMs: 1_000, everyMs: 10 });

export async function changesOf(tenantId: string): Promise<string[]> {
  const rows = await database.sql<{ envelope: string }[]>`
    select envelope from outbox where topic = 'tenant.changed' and key = ${tenantId} order by id`;
  return rows.map((row) => JSON.parse(row.envelope).data.change);
}
