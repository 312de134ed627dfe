import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { holdToRecordedBus } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { startRelay } from "@payflow/service-kit/outbox/relay.ts";
import { connectRelayDatabase } from "@payflow/service-kit/outbox/relay-database.ts";
import { databaseCheck } from "@payflow/service-kit/process/health.ts";
import { runService } from "@payflow/service-kit/process/service.ts";
import { tenantSettings } from "./config.ts";
import { composeTenant } from "./dependencies.ts";
import { createInternalServer, createServer } from "./server.ts";

await runService(
  {
    name: "tenant",
    settings: tenantSettings,
    start: async (context) => {
      const { config, logger, metrics, scope } = context;
      const { database, publisher, usage, server, internal } = composeTenant(context);
      await holdToRecordedBus({ sql: database.sql, bus: config.EVENT_BUS, logger, scope });
      const about = { service: "tenant", logger, metrics };
      const bus = scope.use("event bus", await openEventBus(config, about));
      const { sql } = scope.use("relay database", connectRelayDatabase(config.DATABASE_URL, "tenant"));
      const relay = startRelay({ sql, bus, busName: config.EVENT_BUS, ...about });
      scope.defer("outbox relay", () => relay.stop());
      publisher.start();
      usage.start();
      const announce = () => {
        publisher.wake();
        relay.wake();
      };
      return {
        publicApp: createServer({ ...server, announce }),
        internalApp: createInternalServer({ ...internal, announce }),
        readiness: [databaseCheck(database)],
      };
    },
  },
  process.env,
);
