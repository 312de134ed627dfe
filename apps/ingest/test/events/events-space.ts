import {
  defaultLimits,
  type Mode,
  type Scope,
  scopes,
  type TenantLimits,
} from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { hashApiKey, makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { connectTenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { createDoor } from "@payflow/service-kit/http/door.ts";
import { createHttp } from "@payflow/service-kit/http/server.ts";
import { listen } from "@payflow/service-kit/process/listen.ts";
import { connectRedis } from "@payflow/service-kit/store/redis.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { testRedis } from "@payflow/testkit/redis.ts";
import { BytesInFlight } from "../../src/events/bodies/bytes-in-flight.ts";
import { directEventRoutes, eventRoutes } from "../../src/events/events.routes.ts";
import { eventMetrics } from "../../src/events/take-events.ts";
import { createAllowanceStore } from "../../src/quotas/allowance.store.ts";
import { createAllowance } from "../../src/quotas/allowance.ts";
import { usageRoutes } from "../../src/quotas/usage.routes.ts";
import { memoryMarks, StoragePressure } from "../../src/streams/pressure.ts";
import { WriterSpace } from "../writer/writer-fixture.ts";

export const single = "/v1/events/payment_exhaust";
export const batch = "/v1/events";

export interface TestTenant {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly scopes: readonly Scope[];
  limits: TenantLimits;
}

export interface ReplicaSettings {
  readonly maxMerchants?: number;
  readonly maxBytesInFlight?: number;
}

export type EventsSpace = Awaited<ReturnType<typeof openEvents>>;
export type Replica = Awaited<ReturnType<EventsSpace["replica"]>>;

const logger = createLogger("ingest-test", "silent");
const partitions = 4;

/** Redis servers, streams and keys of one test file's own, for as many replicas as it opens. */
export async function openEvents() {
  const redis = await testRedis();
  const space = new WriterSpace(redis.durable.url, partitions);
  /** What the tenant app would answer for each key, by its SHA-256. */
  const known = new Map<string, TestTenant>();
  const cache = connectRedis(redis.cache.url, "test", logger);
  const endings: (() => unknown)[] = [() => cache.disconnect()];
  let replicas = 0;

  /** A key of a new tenant's, or of the given one. */
  function keyOf(tenant: Partial<TestTenant> = {}): { key: string; tenant: TestTenant } {
    const made = { tenantId: newId("ten"), mode: "live", scopes, limits: defaultLimits, ...tenant } as const;
    const key = makeApiKey(made.mode);
    known.set(hashApiKey(key), made);
    return { key, tenant: made };
  }

  async function replica(settings: ReplicaSettings = {}) {
    const { maxMerchants = 1_000, maxBytesInFlight = 64 * 2 ** 20 } = settings;
    const metrics = new Metrics("ingest-test");
    const { redis: streams, writer } = await space.open({ maxMerchants });
    const access = connectTenantAccess(
      {
        REDIS_URL: redis.cache.url,
        TENANT_SERVICE_URL: "http://127.0.0.1:1",
        INTERNAL_SERVICE_SECRET: "none",
      },
      { logger, metrics, ask: async (hashes) => hashes.map((sha256) => verified(known.get(sha256))) },
    );
    const usage = createAllowanceStore({ redis: streams, keys: space.keys, partitions, quietMs: 30_000 });
    const pressure = new StoragePressure({
      memory: memoryMarks(false),
      queued: { soft: 1_000, hard: 2_000 },
      unreadSeconds: { soft: 1_000 },
    });
    const inFlight = new BytesInFlight(maxBytesInFlight);
    const deps = {
      ...{
        writer,
        pressure,
        usage,
        inFlight,
        eventLimiter: access.eventLimiter,
        durability: "fsync" as const,
      },
      ...{ allowance: createAllowance(usage, Date.now), now: Date.now, metrics: eventMetrics(metrics) },
    };
    const { authenticator } = access;
    const http = createHttp({ service: "ingest", title: "Ingest", logger, metrics, authenticator });
    const app = http.app().use(eventRoutes(http, deps)).use(usageRoutes(http, deps));
    const door = createDoor(http.options, Object.values(directEventRoutes(deps)));
    replicas += 1;
    // Until then a replica would keep the tenants' rates by itself.
    await eventually(async () => {
      const connections = await cache.client("LIST").catch(() => "");
      return String(connections).match(/ name=auth .* cmd=evalsha /g)?.length === replicas;
    });
    const listener = listen(app, { host: "127.0.0.1", port: 0, isInternal: false, door });
    endings.push(async () => {
      await listener.stop();
      await access.close();
      await writer.close();
    });
    return { app, door, metrics, pressure, inFlight, access, port: listener.port };
  }

  return {
    ...{ redis, space, keyOf, replica },
    /** What is stored, of all tenants or of one. */
    async stored(tenantId?: string) {
      const entries = await space.entries();
      return entries.filter((entry) => tenantId === undefined || entry.tenantId === tenantId);
    },
    async close() {
      for (const end of endings.reverse()) await end();
      await space.end();
      await redis.close();
    },
  };
}

function verified(tenant: TestTenant | undefined) {
  if (tenant === undefined) return null;
  const record = {
    key_id: newId("key"),
    tenant_id: tenant.tenantId,
    mode: tenant.mode,
    scopes: [...tenant.scopes],
    expires_at: null,
    status: "active" as const,
    tenant_status: "active" as const,
    limits: tenant.limits,
    version: 1,
  };
  return { record, valid_for_ms: null };
}

export interface Sent {
  readonly key?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export function postRequest(path: string, { key, type = "application/json", headers, body }: Sent): Request {
  return new Request(`http://127.0.0.1${path}`, {
    method: "POST",
    headers: {
      ...(type === "" ? {} : { "content-type": type }),
      ...(key === undefined ? {} : { "x-api-key": key }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field.
  readonly body: any;
}

export async function read(response: Response): Promise<Answer> {
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
}

/** Posts through the door, as a request from outside comes. */
export async function post({ door }: Pick<Replica, "door">, path: string, sent: Sent): Promise<Answer> {
  const response = await door(postRequest(path, sent));
  if (response === undefined) throw new Error(`${path} does not go through the door`);
  return read(response);
}

/** Waits until a replica knows a key, so that what follows is answered at once. */
export async function knows({ access }: Replica, key: string): Promise<void> {
  await eventually(async () => {
    await access.authenticator.authenticate(key);
    return access.authenticator.recall(key) !== undefined;
  });
}
