import { connectTenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { operatorAuthenticator } from "@payflow/service-kit/governing/operator-settings.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import type { Scope } from "@payflow/service-kit/process/scope.ts";
import { connectDatabase } from "@payflow/service-kit/store/database.ts";
import { createCursors } from "@payflow/service-kit/store/paging.ts";
import { connectRedis } from "@payflow/service-kit/store/redis.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { createApiKeyStore } from "./api-keys/api-keys.store.ts";
import { keySecrets } from "./api-keys/stored-value.ts";
import { createChangeLog } from "./changes/change-log.store.ts";
import { createPublishedStore } from "./changes/published-state.store.ts";
import { ChangePublisher } from "./changes/publisher.ts";
import type { TenantConfig } from "./config.ts";
import { createGovernedStore } from "./governed/governed.store.ts";
import type { InternalServerDependencies, ServerDependencies } from "./server.ts";
import { createTenantStore } from "./tenants/tenants.store.ts";
import { transactions } from "./transaction.ts";
import { createKeyCacheStore } from "./verification/key-cache.store.ts";
import { KeyUsage } from "./verification/key-usage.ts";
import { createVerificationStore } from "./verification/verification.store.ts";
import { verifyKeys } from "./verification/verify-keys.ts";

export interface Surroundings {
  readonly config: TenantConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly scope: Scope;
}

/** Everything of the app but the relay and the ports: tests drive the same parts that the process runs. */
export function composeTenant({ config, logger, metrics, scope }: Surroundings) {
  const secrets = keySecrets(
    { version: config.API_KEY_SECRET_VERSION, secret: config.API_KEY_SECRET },
    config.API_KEY_PREVIOUS_SECRETS,
  );
  const database = scope.use(
    "database",
    connectDatabase(config.DATABASE_URL, { name: "tenant", max: config.DATABASE_POOL }),
  );
  const redis = connectRedis(config.REDIS_URL, "tenant", logger, { commandTimeout: 300 });
  scope.defer("cache Redis", () => redis.disconnect());
  const published = createPublishedStore(redis);
  const keyCache = createKeyCacheStore(redis);
  const changeLog = createChangeLog(database);
  const tenants = createTenantStore(database);
  const verification = createVerificationStore(database);
  const usage = scope.use(
    "key usage",
    new KeyUsage({ verification, keyCache, secrets, logger, flushMs: config.LAST_USED_FLUSH_MS }),
  );
  const publisher = scope.use(
    "change publisher",
    new ChangePublisher({ changeLog, published, logger, metrics, heartbeatMs: config.CHANGE_HEARTBEAT_MS }),
  );
  const verifying = { verification, keyCache, epoch: () => publisher.epoch, secrets, usage };
  const { authenticator, rateLimiter } = scope.use(
    "tenant access",
    connectTenantAccess(config, {
      logger,
      metrics,
      ask: (keys) => verifyKeys(verifying, keys),
      markUsedEveryMs: config.LAST_USED_FLUSH_MS,
    }),
  );
  const common = {
    tenants,
    logger,
    metrics,
    transact: transactions(database),
    secrets,
    changeLog,
    announce: () => publisher.wake(),
  };
  const client = (service: string, baseUrl: string) =>
    createInternalClient({ service, baseUrl, secret: config.INTERNAL_SERVICE_SECRET });
  const server: ServerDependencies = {
    ...common,
    authenticator,
    rateLimiter,
    adminToken: config.ADMIN_TOKEN,
    registration: config.TENANT_REGISTRATION,
    openRegistrationsPerMinute: config.OPEN_REGISTRATIONS_PER_MINUTE,
    keys: createApiKeyStore(database),
    cursors: createCursors(config.INTERNAL_SERVICE_SECRET),
    notifier: client("The notifier service", config.NOTIFIER_SERVICE_URL),
  };
  const internal: InternalServerDependencies = {
    ...common,
    ...verifying,
    governed: createGovernedStore(database),
    payment: client("The payment service", config.PAYMENT_SERVICE_URL),
    internalSecret: config.INTERNAL_SERVICE_SECRET,
    operator: operatorAuthenticator(config, logger),
  };
  return { database, publisher, usage, verifying, server, internal };
}
