import { connectTenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { runService } from "@payflow/service-kit/process/service.ts";
import { ingestSettings } from "./config.ts";
import { openEventStore, openTaking, startExporting } from "./dependencies.ts";
import { processorsReader } from "./insights/read-processors.ts";
import { createEventDoor, createInternalServer, createServer } from "./server.ts";

await runService(
  {
    name: "ingest",
    settings: ingestSettings,
    start: async (context) => {
      const { config, logger, metrics, scope } = context;
      const access = scope.use("tenant access", connectTenantAccess(config, { logger, metrics }));
      const store = await openEventStore(context);
      const { catalog, figures, upkeep, readiness } = store;
      const taking = config.INGEST_ROLE === "exporter" ? null : await openTaking(context, store, access);
      if (config.INGEST_ROLE !== "api") await startExporting(context, store);

      const { authenticator, rateLimiter } = access;
      const parts = { authenticator, rateLimiter, adminToken: config.ADMIN_TOKEN, logger, metrics };
      return {
        publicApp: createServer({
          ...parts,
          taking: taking?.routes ?? null,
          readProcessors: processorsReader(figures),
          exporting: catalog.routes,
          reading: upkeep,
        }),
        ...(taking === null ? {} : { door: createEventDoor(taking.routes, parts) }),
        internalApp: createInternalServer({
          bus: taking?.bus ?? null,
          internalSecret: config.INTERNAL_SERVICE_SECRET,
          logger,
          metrics,
        }),
        readiness: [readiness, upkeep.readiness],
      };
    },
  },
  process.env,
);
