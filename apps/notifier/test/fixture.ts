import type { Mode, Scope } from "@payflow/contracts/access.ts";
import { defaultLimits, scopes } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { checkEvent, type EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { consume } from "@payflow/service-kit/bus/consumers.ts";
import type { Authenticator } from "@payflow/service-kit/http/access.ts";
import { createInternalHttp } from "@payflow/service-kit/http/server.ts";
import { connectDatabase, type Database } from "@payflow/service-kit/store/database.ts";
import { createCursors } from "@payflow/service-kit/store/paging.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { type TestDatabase, testPostgres } from "@payflow/testkit/postgres.ts";
import { consumers } from "../src/consumers.ts";
import { createDeliveriesStore } from "../src/deliveries/deliveries.store.ts";
import { createEndpointsStore } from "../src/endpoints/endpoints.store.ts";
import { createGovernedEndpointsStore } from "../src/endpoints/governed.store.ts";
import { internalEndpointsRoutes } from "../src/endpoints/internal-endpoints.routes.ts";
import { putDefaultEndpoint } from "../src/endpoints/put-default-endpoint.ts";
import { internalMessagesRoutes } from "../src/messages/internal-messages.routes.ts";
import { createMessagesStore } from "../src/messages/messages.store.ts";
import { createQueueStore } from "../src/queue/queue.store.ts";
import { webhookMetrics } from "../src/queue/webhook-metrics.ts";
import { startWorker } from "../src/queue/worker.ts";
import { createResolver, type ResolveHost } from "../src/sending/resolve-host.ts";
import { createSecretBox } from "../src/sending/secret-box.ts";
import { createSender } from "../src/sending/send.ts";
import { createServer } from "../src/server.ts";
import { type ProbeEndpoints, probeEndpoints } from "../src/upkeep/probe-endpoints.ts";
import { createUpkeepStore } from "../src/upkeep/upkeep.store.ts";

export const logger = createLogger("notifier-test", "silent");
const internalSecret = "the internal secret of the notifier's tests";
const encryptionKey = "an encryption key for tests alone, not for anything else";

export interface Owner {
  readonly tenantId: string;
  readonly mode: Mode;
}

export function newOwner(mode: Mode = "live"): Owner {
  return { tenantId: newId("ten"), mode };
}

/** A test's key says whom it stands for: tenant, mode and scopes. */
export function keyOf(owner: Owner, granted: readonly Scope[] = scopes): string {
  return [owner.tenantId, owner.mode, granted.join(" ")].join("|");
}

const authenticator: Authenticator = {
  async authenticate(key) {
    const [tenantId, mode, granted] = key.split("|");
    if (tenantId === undefined || granted === undefined) throw new DomainError("invalid_api_key");
    return {
      tenantId,
      mode: mode === "live" ? "live" : "test",
      keyId: "key_of_a_test",
      scopes: scopes.filter((scope) => granted.split(" ").includes(scope)),
      limits: defaultLimits,
    };
  },
};

export interface ReplicaOptions {
  readonly allowPrivate?: boolean;
  readonly resolve?: ResolveHost;
  readonly isAllowed?: (address: string) => boolean;
  readonly deadlineMs?: number;
  readonly maxInFlight?: number;
  readonly ca?: string;
  /** Without a worker, what is queued stays queued. */
  readonly isWorking?: boolean;
}

export type Replica = ReturnType<typeof startReplica>;

/** One notifier process's inside, on a database that it may share with others. */
export function startReplica(database: Database, options: ReplicaOptions = {}) {
  const metrics = new Metrics("notifier-test");
  const secrets = createSecretBox([encryptionKey]);
  const allowPrivate = options.allowPrivate ?? true;
  const deadlineMs = options.deadlineMs ?? 15_000;
  const sender = createSender({
    resolve: options.resolve ?? createResolver(),
    allowPrivate,
    deadlineMs,
    ...(options.isAllowed === undefined ? {} : { isAllowed: options.isAllowed }),
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
  const queue = createQueueStore(database.sql);
  const counted = webhookMetrics(metrics, queue);
  const shared = { queue, sender, secrets, logger, metrics: counted, deadlineMs };
  const worker =
    options.isWorking === false
      ? null
      : startWorker({ ...shared, maxInFlight: options.maxInFlight ?? 1_000 });
  const wake = () => worker?.wake();
  const messages = createMessagesStore(database.sql);
  const endpoints = createEndpointsStore(database);
  const deps = { endpoints, secrets, allowPrivate, onQueueChanged: wake, messages, onQueued: wake };
  const handlers = consumers({ ...deps, metrics: counted });
  const server = createServer({
    ...deps,
    deliveries: createDeliveriesStore(database.sql),
    cursors: createCursors("cursors of tests"),
    authenticator,
    adminToken: "the admin token of the notifier's tests",
    logger,
    metrics,
  });
  const governed = createGovernedEndpointsStore(database);
  const internalHttp = createInternalHttp({
    service: "notifier",
    title: "PayFlow notifier, internal",
    internalSecret,
    logger,
    metrics,
  });
  const internal = internalHttp
    .app()
    .use(internalMessagesRoutes(internalHttp, { messages, onQueued: wake, metrics: counted }))
    .use(internalEndpointsRoutes(internalHttp, { ...deps, governed }));
  const upkeep = createUpkeepStore(database.sql);
  const probing: ProbeEndpoints = { upkeep, sender, secrets, metrics: counted, logger, onQueueChanged: wake };
  return {
    ...shared,
    worker,
    upkeep,
    endpoints,
    metricsText: () => metrics.text(),
    /** Handles events as the bus hands them over. */
    consume: (...events: readonly EventEnvelope[]) => {
      const [first] = events;
      return first === undefined ? Promise.resolve() : consume(handlers, first.type, events);
    },
    putDefault: (owner: Owner, url: string) => putDefaultEndpoint(deps, owner, url),
    probe: () => probeEndpoints(probing),
    /** Calls a route as the owner's key, and reads its JSON. */
    async call(owner: Owner | string, method: string, path: string, body?: unknown) {
      const request = new Request(`http://notifier${path}`, {
        method,
        headers: {
          "x-api-key": typeof owner === "string" ? owner : keyOf(owner),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const response = await server.handle(request);
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: text === "" ? null : JSON.parse(text),
      };
    },
    /** Calls an internal route as another app of the installation. */
    async callInternal(path: string, body: unknown, token = internalSecret) {
      const response = await internal.handle(
        new Request(`http://notifier${path}`, {
          method: "POST",
          headers: { "x-internal-token": token, "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
      );
      return { status: response.status, body: JSON.parse(await response.text()) };
    },
    /** Calls an internal route as the operator. */
    async govern(method: string, path: string, headers: Readonly<Record<string, string>>, body?: unknown) {
      const response = await internal.handle(
        new Request(`http://notifier${path}`, {
          method,
          headers: { ...headers, "x-internal-token": internalSecret, "content-type": "application/json" },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        }),
      );
      return { status: response.status, body: JSON.parse(await response.text()) };
    },
    finishDrains: () => governed.finishDrains(100),
    async stop() {
      await worker?.stop();
      sender.close();
    },
  };
}

export interface NotifierDatabase extends Database {
  readonly owner: Database;
  readonly test: TestDatabase;
  connect(): Database;
  /** Moves every stored time back, which is the same as moving the store's clock forward. */
  advance(seconds: number): Promise<void>;
  drop(): Promise<void>;
}

const moved: Readonly<Record<string, readonly string[]>> = {
  tenant_queue: ["next_due", "turned_at"],
  endpoint: ["previous_expires_at", "disabled_at", "created_at", "updated_at", "deleted_at"],
  endpoint_queue: [
    "next_due",
    "turned_at",
    "rate_at",
    "paused_until",
    "last_success_at",
    "failing_since",
    "probe_due",
  ],
  message: ["created_at"],
  delivery: ["created_at", "first_attempt_at", "last_attempt_at", "finished_at", "unsuccessful_at"],
  delivery_queue: ["due", "first_attempt_at", "last_attempt_at", "lease_until"],
};

/** A notifier's database of the test file's own, open under the service's role. */
export async function notifierDatabase(): Promise<NotifierDatabase> {
  const test = await testPostgres("notifier");
  const opened: Database[] = [];
  const connect = (url = test.serviceUrl, max = 8) => {
    const database = connectDatabase(url, { name: "notifier-test", max });
    opened.push(database);
    return database;
  };
  const service = connect();
  const owner = connect(test.ownerUrl, 2);
  return {
    ...service,
    owner,
    test,
    connect: () => connect(),
    async advance(seconds) {
      await owner.sql.begin(async (sql) => {
        for (const [table, columns] of Object.entries(moved)) {
          const changes = columns.map((column) => `${column} = ${column} - interval '${seconds} seconds'`);
          await sql.unsafe(`update ${table} set ${changes.join(", ")}`);
        }
      });
    },
    async drop() {
      await Promise.all(opened.map((database) => database.close()));
      await test.drop();
    },
  };
}

/** An event of payment.settled as it comes from the bus. */
export function paymentSettled(owner: Owner, eventId = newId("evt")): EventEnvelope {
  const paymentId = newId("pay");
  const at = new Date().toISOString();
  return checkEvent({
    event_id: eventId,
    type: "payment.settled",
    version: 1,
    tenant_id: owner.tenantId,
    mode: owner.mode,
    key: paymentId,
    sequence: 2,
    occurred_at: at,
    request_id: "req_of_a_test",
    data: {
      payment_id: paymentId,
      amount: 1_000,
      currency: "INR",
      status: "succeeded",
      amount_captured: 1_000,
      error: null,
      customer_id: "customer",
      card_fingerprint: "fingerprint",
      scoring: { decision: "allow", source: "score" },
      settled_at: at,
    },
  });
}
