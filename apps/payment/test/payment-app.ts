import {
  defaultLimits,
  type Mode,
  type Scope,
  scopes,
  type TenantLimits,
} from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { createBackground } from "@payflow/service-kit/concurrency/background.ts";
import type { Authenticator } from "@payflow/service-kit/http/access.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { createInternalHttp } from "@payflow/service-kit/http/server.ts";
import { connectDatabase, type Database } from "@payflow/service-kit/store/database.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import { createDependencies, type Parts } from "../src/dependencies.ts";
import type { PaymentResponse } from "../src/payments/payments.contract.ts";
import { settlementRoutes } from "../src/payments/settlements/settlements.routes.ts";
import type { Processor } from "../src/processor/processor.ts";
import { findCharges } from "../src/processor/simulated.store.ts";
import { simulatedProcessor } from "../src/processor/simulated.ts";
import { connectSimulated, type SimulatedConnection } from "../src/processor/simulated-connection.ts";
import { createServer } from "../src/server.ts";
import { type FraudServer, startFraud } from "./fraud-server.ts";

const internalSecret = "internal-secret-for-tests-only-0123456789";

export interface TestTenant {
  readonly id: string;
  readonly live: string;
  readonly test: string;
}

export interface Sent {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, of whatever shape the test expects. */
  // biome-ignore lint/suspicious/noExplicitAny: a test asserts the shape it reads.
  readonly json: any;
}

export interface Send {
  readonly key?: string;
  readonly idempotencyKey?: string;
  readonly body?: unknown;
  readonly prefer?: string;
}

type Config = Partial<Parts["config"]>;

/**
 * Payment on databases of its own, with a fraud server of its own; `replica` adds processes' worth of use
 * cases.
 */
export async function startPaymentApp(config: Config = {}) {
  const [database, processorDatabase] = await Promise.all([
    testPostgres("payment"),
    testPostgres("processor"),
  ]);
  const fraud = startFraud(internalSecret);
  const journal = await connectSimulated(processorDatabase.serviceUrl, 8);
  const tenants = new Map<string, TenantLimits>();
  const closers: (() => Promise<unknown>)[] = [];

  function replica(options: ReplicaOptions = {}) {
    const connection = connectDatabase(options.databaseUrl ?? database.serviceUrl, {
      name: "payment",
      max: 8,
    });
    closers.push(() => connection.close());
    const real = simulatedProcessor({ ...(options.journal ?? journal), seed: "test", slowMs: 50 });
    return buildReplica({
      config,
      connection,
      outboxLimit: options.outboxLimit ?? { isReached: false },
      processor: options.processor?.(real) ?? real,
      fraud,
      authenticator: authenticatorOf(tenants),
    });
  }

  const first = replica();
  return {
    ...first,
    fraud,
    replica,
    databaseUrl: database.serviceUrl,
    adminUrl: database.adminUrl,
    processorSql: journal.sql,
    processorUrl: processorDatabase.serviceUrl,
    newTenant(limits: Partial<TenantLimits> = {}): TestTenant {
      const id = newId("ten");
      tenants.set(id, { ...defaultLimits, ...limits });
      return { id, live: `pfk_live_${id}`, test: `pfk_test_${id}` };
    },
    /** Changes a tenant's limits from the next request on. */
    limit(id: string, limits: Partial<TenantLimits>): void {
      tenants.set(id, { ...(tenants.get(id) ?? defaultLimits), ...limits });
    },
    /** The processor's charges of these payments. */
    charges: (ids: readonly string[]) => findCharges(journal.sql, ids),
    async close() {
      await Promise.all(closers.map((close) => close()));
      await journal.close();
      fraud.stop();
      await Promise.all([database.drop(), processorDatabase.drop()]);
    },
  };
}
export type PaymentApp = Awaited<ReturnType<typeof startPaymentApp>>;

interface ReplicaOptions {
  readonly outboxLimit?: Parts["outboxLimit"];
  readonly processor?: (real: Processor) => Processor;
  readonly databaseUrl?: string;
  /** The simulated processor's journal through other connections than those all share. */
  readonly journal?: SimulatedConnection;
}

interface ReplicaParts {
  readonly outboxLimit: Parts["outboxLimit"];
  readonly config: Config;
  readonly connection: Database;
  readonly processor: Processor;
  readonly fraud: FraudServer;
  readonly authenticator: Authenticator;
}

function buildReplica(parts: ReplicaParts) {
  const logger = createLogger("payment-test", process.env.LOG_LEVEL ?? "silent");
  const metrics = new Metrics("payment-test");
  const background = createBackground(logger);
  const deps = createDependencies({
    config: {
      FRAUD_TIMEOUT_MS: 2_000,
      PROCESSOR_TIMEOUT_MS: 2_000,
      AUTHORIZATION_SECONDS: 604_800,
      INQUIRY_FIRST_MS: 5_000,
      INQUIRY_MAX_MS: 3_600_000,
      INTERNAL_SERVICE_SECRET: internalSecret,
      ...parts.config,
    },
    database: parts.connection,
    processor: parts.processor,
    fraud: createInternalClient({ service: "fraud", baseUrl: parts.fraud.url, secret: internalSecret }),
    background,
    logger,
    metrics,
    outboxLimit: parts.outboxLimit,
    wakeRelay: () => {},
    wakeRecovery: () => {},
  });
  const server = createServer({ ...deps, authenticator: parts.authenticator, adminToken: "admin" });
  const http = createInternalHttp({ service: "payment", title: "internal", logger, metrics, internalSecret });
  const internal = http.app().use(settlementRoutes(http, deps));
  return {
    deps,
    sql: parts.connection.sql,
    background,
    send: (method: string, path: string, send: Send = {}) => ask(server, method, path, send),
    /** A payment of 1,000 in EUR, changed by `body`, under a key of its own. */
    pay(
      key: string,
      body: Record<string, unknown> = {},
      send: Send = {},
    ): Promise<Sent & { json: PaymentResponse }> {
      return ask(server, "POST", "/payments", {
        key,
        idempotencyKey: crypto.randomUUID(),
        ...send,
        body: { amount: 1_000, currency: "EUR", ...body },
      });
    },
    sendInternal: (method: string, path: string, body?: unknown) =>
      ask(internal, method, path, { body }, { "x-internal-token": internalSecret }),
  };
}

async function ask(
  server: { handle(request: Request): Promise<Response> },
  method: string,
  path: string,
  send: Send,
  extra: Record<string, string> = {},
): Promise<Sent> {
  const headers = new Headers(extra);
  if (send.key !== undefined) headers.set("x-api-key", send.key);
  if (send.idempotencyKey !== undefined) headers.set("idempotency-key", send.idempotencyKey);
  if (send.prefer !== undefined) headers.set("prefer", send.prefer);
  if (send.body !== undefined) headers.set("content-type", "application/json");
  const response = await server.handle(
    new Request(`http://payment.test${path}`, {
      method,
      headers,
      ...(send.body === undefined ? {} : { body: JSON.stringify(send.body) }),
    }),
  );
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text === "" ? null : JSON.parse(text),
  };
}

/** Keys are `pfk_<mode>_<tenant>`, followed by `_read` for one that may only read. */
function authenticatorOf(tenants: ReadonlyMap<string, TenantLimits>): Authenticator {
  return {
    async authenticate(apiKey) {
      const [, mode, id, isReader] = /^pfk_(live|test)_(ten_[0-9a-z]+)(_read)?$/.exec(apiKey) ?? [];
      const limits = tenants.get(id ?? "");
      if (id === undefined || limits === undefined) throw new DomainError("invalid_api_key");
      const allowed: readonly Scope[] = isReader === undefined ? scopes : ["payments:read"];
      // The expression above allows no other mode.
      return { tenantId: id, mode: mode as Mode, keyId: "key_test", scopes: allowed, limits };
    },
  };
}
