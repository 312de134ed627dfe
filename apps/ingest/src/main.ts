import { connectTenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { runService } from "@payflow/service-kit/process/service.ts";
import { connectStreams } from "@payflow/service-kit/streams/connect.ts";
import { streamKeys } from "@payflow/service-kit/streams/keys.ts";
import { ingestSettings } from "./config.ts";
import { openTaking } from "./dependencies.ts";
import { openCatalog } from "./exporters/catalog/catalog.ts";
import { startExporters } from "./exporters/running/run-exporters.ts";
import { processorsReader } from "./insights/read-processors.ts";
import { insightsStores, startInsights } from "./insights/start-insights.ts";
import { createEventDoor, createInternalServer, createServer } from "./server.ts";
import { startStreams } from "./streams/start-streams.ts";
import { openWriter } from "./writer/open-writer.ts";

await runService(
  {
    name: "ingest",
    settings: ingestSettings,
    start: async ({ config, logger, metrics, scope }) => {
      const streamsUrl = config.INGEST_REDIS_URL ?? config.DURABLE_REDIS_URL;
      const redis = connectStreams(streamsUrl, "ingest", logger);
      scope.defer("event streams", () => redis.disconnect());
      const access = scope.use("tenant access", connectTenantAccess(config, { logger, metrics }));
      const connect = (name: string) => {
        const connection = connectStreams(streamsUrl, name, logger);
        scope.defer(name, () => connection.disconnect());
        return connection;
      };
      const streams = { keys: streamKeys("ingest"), partitions: config.INGEST_PARTITIONS };
      const opened = await openWriter(connect("ingest-writer"), {
        ...{ keys: streams.keys, settings: config, logger, metrics },
      });
      scope.defer("stream writer", () => opened.close());
      const notifier = createInternalClient({
        service: "notifier",
        baseUrl: config.NOTIFIER_SERVICE_URL,
        secret: config.INTERNAL_SERVICE_SECRET,
      });
      const lookedAfter = startStreams({
        ...{ ...streams, redis: connect("ingest-upkeep"), logger, metrics },
        isShared: config.EVENT_BUS === "redis" && streamsUrl === config.DURABLE_REDIS_URL,
        retentionSeconds: config.INGEST_RETENTION_SECONDS,
        queued: () => opened.writer.openEvents,
        secret: config.INTERNAL_SERVICE_SECRET,
      });
      scope.defer("streams upkeep", () => lookedAfter.stop());
      const { registry } = lookedAfter;
      const catalog = openCatalog({ ...streams, redis, registry, settings: config, logger });
      const insights = insightsStores({ ...streams, redis: connect("ingest-insights") });
      const taking =
        config.INGEST_ROLE === "exporter"
          ? null
          : await openTaking({
              ...{ config, access, redis, logger, metrics, scope, keys: streams.keys },
              ...{ writer: opened.writer, pressure: lookedAfter.pressure },
            });
      if (config.INGEST_ROLE !== "api") {
        const counting = await startInsights({
          ...{ ...streams, ...insights, logger, metrics, redis: connect("ingest-insights-group") },
          settings: config,
          notifier,
        });
        scope.defer("insights", () => counting.stop());
        const exporters = startExporters({
          ...{ ...streams, catalog, registry, notifier, settings: config, logger, metrics },
          connect: (name) => connectStreams(streamsUrl, name, logger),
        });
        scope.defer("exporters", () => exporters.stop());
      }
      const { authenticator, rateLimiter } = access;
      const parts = { authenticator, rateLimiter, adminToken: config.ADMIN_TOKEN, logger, metrics };
      return {
        publicApp: createServer({
          ...parts,
          taking: taking?.routes ?? null,
          readProcessors: processorsReader(insights),
          exporting: catalog.routes,
          reading: lookedAfter,
        }),
        ...(taking === null ? {} : { door: createEventDoor(taking.routes, parts) }),
        internalApp: createInternalServer({
          bus: taking?.bus ?? null,
          internalSecret: config.INTERNAL_SERVICE_SECRET,
          logger,
          metrics,
        }),
        readiness: [opened.readiness, lookedAfter.readiness],
      };
    },
  },
  process.env,
);
