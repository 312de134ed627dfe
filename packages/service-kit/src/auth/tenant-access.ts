import { VerifyKeysAnswer, verifyKeysPath } from "@payflow/contracts/internal-tenant.ts";
import type { RateLimiter } from "../http/access.ts";
import { createInternalClient } from "../http/internal-client.ts";
import { connectRedis } from "../store/redis.ts";
import type { Logger } from "../telemetry/logging.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import {
  type AskTenant,
  askTimeoutMs,
  createAuthenticator,
  type RunningAuthenticator,
} from "./authenticator.ts";
import { createKeyCache } from "./key-cache.ts";
import { type ChargingRateLimiter, createRateLimiter } from "./rates/rate-limiter.ts";

/** The part of a service's settings that says where keys are asked for. */
export interface TenantAccessConfig {
  readonly REDIS_URL: string;
  readonly TENANT_SERVICE_URL: string;
  readonly INTERNAL_SERVICE_SECRET: string;
}

export interface TenantAccessOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** In the place of the tenant app's internal route: the tenant app asks itself. */
  readonly ask?: AskTenant;
  readonly markUsedEveryMs?: number;
}

export interface TenantAccess {
  readonly authenticator: RunningAuthenticator;
  readonly rateLimiter: RateLimiter;
  /** Counts the events of ingest, apart from requests. */
  readonly eventLimiter: ChargingRateLimiter;
  close(): Promise<void>;
}

/**
 * What `createHttp` needs for tenants' routes: who calls, and how much they may. Connects by itself and never
 * waits.
 */
export function connectTenantAccess(config: TenantAccessConfig, options: TenantAccessOptions): TenantAccess {
  const { logger, metrics } = options;
  const redis = connectRedis(config.REDIS_URL, "auth", logger, { commandTimeout: 300 });
  const authenticator = createAuthenticator({
    ask: options.ask ?? askTenantApp(config),
    cache: createKeyCache(redis),
    logger,
    metrics,
    ...(options.markUsedEveryMs === undefined ? {} : { markUsedEveryMs: options.markUsedEveryMs }),
  });
  return {
    authenticator,
    rateLimiter: createRateLimiter({ redis, metrics }),
    eventLimiter: createRateLimiter({ redis, metrics, counted: "events" }),
    async close() {
      await authenticator.close();
      redis.disconnect();
    },
  };
}

function askTenantApp(config: TenantAccessConfig): AskTenant {
  const client = createInternalClient({
    service: "The tenant service",
    baseUrl: config.TENANT_SERVICE_URL,
    secret: config.INTERNAL_SERVICE_SECRET,
    timeoutMs: askTimeoutMs,
  });
  return async (keys) => {
    const answer = await client.call(
      "POST",
      verifyKeysPath,
      { key_sha256: keys },
      { answer: VerifyKeysAnswer },
    );
    return answer.keys;
  };
}
