import { connectTenantAccess, type TenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { loadConfig } from "@payflow/service-kit/process/config.ts";
import { Scope } from "@payflow/service-kit/process/scope.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { type TenantConfig, tenantSettings } from "../src/config.ts";
import { composeTenant } from "../src/dependencies.ts";
import { createInternalServer, createServer } from "../src/server.ts";

export const adminToken = "admin-token-of-the-tests-0123456789abcdef";
export const internalSecret = "internal-secret-of-the-tests-0123456789abc";

export interface Stores {
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

export function configOf(stores: Stores, settings: Partial<TenantConfig> = {}): TenantConfig {
  const config = loadConfig(tenantSettings, {
    PORT: "1",
    DATABASE_URL: stores.databaseUrl,
    DATABASE_POOL: "4",
    REDIS_URL: stores.redisUrl,
    INTERNAL_SERVICE_SECRET: internalSecret,
    ADMIN_TOKEN: adminToken,
    TENANT_SERVICE_URL: "http://127.0.0.1:9",
    LOG_LEVEL: "silent",
    EVENT_BUS: "redis",
    DURABLE_REDIS_URL: stores.redisUrl,
    INSTALLED_APPS: "tenant",
    NOTIFIER_SERVICE_URL: "http://127.0.0.1:9",
    API_KEY_SECRET: "secret-of-stored-keys-0123456789abcdefgh",
    API_KEY_SECRET_VERSION: "1",
    TENANT_REGISTRATION: "open",
    OPEN_REGISTRATIONS_PER_MINUTE: "1000000",
    CHANGE_HEARTBEAT_MS: "250",
    LAST_USED_FLUSH_MS: "60000",
  });
  return { ...config, ...settings };
}

/** One replica of the tenant app in this process, its internal port open, its relay left out. */
export function startReplica(stores: Stores, settings: Partial<TenantConfig> = {}) {
  const logger = createLogger("tenant", "silent");
  const scope = new Scope(logger);
  const parts = composeTenant({
    config: configOf(stores, settings),
    logger,
    metrics: new Metrics("tenant"),
    scope,
  });
  const app = createServer(parts.server);
  const internal = createInternalServer(parts.internal);
  internal.compile();
  const listener = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => internal.fetch(request) });
  scope.defer("internal port", () => listener.stop(true));
  return {
    ...parts,
    app,
    internal,
    internalUrl: `http://127.0.0.1:${listener.port}`,
    close: () => scope.close(),
  };
}
export type Replica = ReturnType<typeof startReplica>;

/** What any other app runs to know keys. */
export function otherApp(stores: Pick<Stores, "redisUrl">, tenantServiceUrl: string): TenantAccess {
  const name = "other";
  return connectTenantAccess(
    {
      REDIS_URL: stores.redisUrl,
      TENANT_SERVICE_URL: tenantServiceUrl,
      INTERNAL_SERVICE_SECRET: internalSecret,
    },
    {
      logger: createLogger(name, "silent"),
      metrics: new Metrics(name),
      markUsedEveryMs: 50,
    },
  );
}

interface Called {
  readonly status: number;
  readonly headers: Headers;
  // Answers are compared field by field; each test says what it expects of them.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly body: any;
}

export interface Call {
  readonly key?: string;
  readonly token?: string;
  readonly internal?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Asks an app without a port. */
export async function call(
  app: { handle(request: Request): Promise<Response> },
  method: string,
  path: string,
  { key, token, internal, headers, body }: Call = {},
): Promise<Called> {
  const response = await app.handle(
    new Request(`http://localhost${path}`, {
      method,
      headers: {
        ...headers,
        ...(key === undefined ? {} : { "x-api-key": key }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(internal === undefined ? {} : { "x-internal-token": internal }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? undefined : JSON.parse(text),
  };
}

export interface RegisteredTenant {
  readonly tenant_id: string;
  readonly api_key: string;
  readonly test_api_key: string;
}

export async function register(
  replica: Pick<Replica, "app">,
  name = "Quiet Books",
): Promise<RegisteredTenant> {
  const answer = await call(replica.app, "POST", "/tenants/register", {
    body: { name, email: "owner@example.com" },
  });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return answer.body;
}
