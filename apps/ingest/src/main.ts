import { connectTenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { runService } from "@payflow/service-kit/process/service.ts";
import { connectStreams } from "@payflow/service-kit/streams/connect.ts";
import { ingestSettings } from "./config.ts";
import { createInternalServer, createServer } from "./server.ts";

await runService(
  {
    name: "ingest",
    settings: ingestSettings,
    start: async ({ config, logger, metrics, scope }) => {
      const streamsUrl = config.INGEST_REDIS_URL ?? config.DURABLE_REDIS_URL;
      const redis = connectStreams(streamsUrl, "ingest", logger);
      scope.defer("event streams", () => redis.disconnect());
      const access = scope.use("tenant access", connectTenantAccess(config, { logger, metrics }));
      return {
        publicApp: createServer({
          authenticator: access.authenticator,
          rateLimiter: access.rateLimiter,
          adminToken: config.ADMIN_TOKEN,
          logger,
          metrics,
        }),
        internalApp: createInternalServer({
          internalSecret: config.INTERNAL_SERVICE_SECRET,
          logger,
          metrics,
        }),
        readiness: [{ name: "durable_redis", check: () => redis.ping() }],
      };
    },
  },
  process.env,
);
