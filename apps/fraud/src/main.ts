import { connectTenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { subscribeGroup } from "@payflow/service-kit/bus/consumers.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { holdToRecordedBus } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { retry } from "@payflow/service-kit/concurrency/retry.ts";
import { operatorAuthenticator } from "@payflow/service-kit/governing/operator-settings.ts";
import { startRelay } from "@payflow/service-kit/outbox/relay.ts";
import { connectRelayDatabase } from "@payflow/service-kit/outbox/relay-database.ts";
import { databaseCheck } from "@payflow/service-kit/process/health.ts";
import { runService } from "@payflow/service-kit/process/service.ts";
import { connectDatabase, isTransient } from "@payflow/service-kit/store/database.ts";
import { createCursors } from "@payflow/service-kit/store/paging.ts";
import { connectRedis } from "@payflow/service-kit/store/redis.ts";
import { fraudSettings } from "./config.ts";
import { consumers } from "./consumers.ts";
import { createDependencies } from "./dependencies.ts";
import { startApplyingPolicies } from "./policies/governed/apply-policies.ts";
import { scoreMetrics } from "./scoring/score-metrics.ts";
import { warmUp } from "./scoring/warm-up.ts";
import { createInternalServer, createServer } from "./server.ts";
import { startUpkeep } from "./upkeep/upkeep.ts";

/** A Redis that hangs is as good as away: payment waits for a score no longer than this. */
const redisTimeoutMs = 1_000;
const maxBatch = 256;
/** Nothing waits for what fraud makes of events, so they may come in larger batches. */
const lingerMs = 100;
const warmUpBackoff = { firstMs: 20, maxMs: 200, attempts: 10 };

await runService(
  {
    name: "fraud",
    settings: fraudSettings,
    start: async ({ config, logger, metrics, scope }) => {
      const database = scope.use(
        "database",
        connectDatabase(config.DATABASE_URL, { name: "fraud", max: config.DATABASE_POOL }),
      );
      await holdToRecordedBus({ sql: database.sql, bus: config.EVENT_BUS, logger, scope });
      const redis = connectRedis(config.REDIS_URL, "fraud", logger, { commandTimeout: redisTimeoutMs });
      scope.defer("cache Redis", () => redis.disconnect());
      const access = scope.use("tenant access", connectTenantAccess(config, { logger, metrics }));
      const about = { service: "fraud", logger, metrics };
      const bus = scope.use("event bus", await openEventBus(config, about));
      const { sql } = scope.use("relay database", connectRelayDatabase(config.DATABASE_URL, "fraud"));
      const relay = startRelay({ sql, bus, busName: config.EVENT_BUS, ...about });
      scope.defer("outbox relay", () => relay.stop());

      const deps = createDependencies({
        database,
        redis,
        defaults: {
          velocityWindowSeconds: config.VELOCITY_WINDOW_SECONDS,
          velocityMaxPayments: config.VELOCITY_MAX_PAYMENTS,
          amountThresholdMinor: config.AMOUNT_THRESHOLD_PAISE,
        },
        onFlagged: () => relay.wake(),
      });
      const clock = await deps.clock.start();
      scope.defer("clock", () => clock.stop());
      const subscription = await subscribeGroup(bus, {
        group: "fraud",
        maxBatch,
        lingerMs,
        consumers: consumers(deps),
      });
      scope.defer("consumers", () => subscription.stop());
      const upkeep = startUpkeep(
        { ...deps, sql: database.sql, logger },
        config.UPKEEP_INTERVAL_SECONDS * 1_000,
      );
      scope.defer("upkeep", () => upkeep.stop());
      const applying = startApplyingPolicies({ ...deps, logger });
      scope.defer("policies", () => applying.stop());
      // The connections are still being made.
      await retry(() => warmUp(deps), isTransient, warmUpBackoff).catch((error) => {
        logger.warn({ err: error }, "could not warm up; the first scores will be slower");
      });

      const common = { ...deps, logger, metrics };
      return {
        publicApp: createServer({
          ...common,
          cursors: createCursors(config.INTERNAL_SERVICE_SECRET),
          authenticator: access.authenticator,
          rateLimiter: access.rateLimiter,
          adminToken: config.ADMIN_TOKEN,
        }),
        internalApp: createInternalServer({
          ...common,
          scoreMetrics: scoreMetrics(metrics),
          bus,
          internalSecret: config.INTERNAL_SERVICE_SECRET,
          operator: operatorAuthenticator(config, logger),
        }),
        readiness: [databaseCheck(database), { name: "cache_redis", check: () => redis.ping() }],
      };
    },
  },
  process.env,
);
