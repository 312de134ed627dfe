import { connectTenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { subscribeGroup } from "@payflow/service-kit/bus/consumers.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { holdToRecordedBus } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { createBackground } from "@payflow/service-kit/concurrency/background.ts";
import { retry } from "@payflow/service-kit/concurrency/retry.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { startOutboxLimit } from "@payflow/service-kit/outbox/outbox-limit.ts";
import { startRelay } from "@payflow/service-kit/outbox/relay.ts";
import { connectRelayDatabase } from "@payflow/service-kit/outbox/relay-database.ts";
import { databaseCheck } from "@payflow/service-kit/process/health.ts";
import { runService } from "@payflow/service-kit/process/service.ts";
import { connectDatabase } from "@payflow/service-kit/store/database.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { paymentSettings } from "./config.ts";
import { consumers } from "./consumers.ts";
import { createDependencies } from "./dependencies.ts";
import { startForgetting } from "./idempotency/forget-answers.ts";
import { simulatedProcessor } from "./processor/simulated.ts";
import { connectSimulated } from "./processor/simulated-connection.ts";
import { createRecovery } from "./recovery/recovery.ts";
import { createInternalServer, createServer } from "./server.ts";

/** Pieces of each kind of open work that one process takes up at once. */
const recoveryCapacity = 64;
const maxBatch = 256;
const processorConnections = 6;
/** How long a start waits for fraud to be warm; payments go on without it. */
const warmUpBackoff = { firstMs: 50, maxMs: 500, attempts: 8 };

await runService(
  {
    name: "payment",
    settings: paymentSettings,
    start: async ({ config, logger, metrics, scope }) => {
      const database = scope.use(
        "database",
        connectDatabase(config.DATABASE_URL, { name: "payment", max: config.DATABASE_POOL }),
      );
      await holdToRecordedBus({ sql: database.sql, bus: config.EVENT_BUS, logger, scope });
      const relayDatabase = scope.use("relay database", connectRelayDatabase(config.DATABASE_URL, "payment"));
      const journal = await connectSimulated(config.PROCESSOR_DATABASE_URL, processorConnections);
      scope.use("processor's journal", journal);
      const { INTERNAL_SERVICE_SECRET: internalSecret } = config;
      const access = scope.use("tenant access", connectTenantAccess(config, { logger, metrics }));
      const about = { service: "payment", logger, metrics };
      const bus = scope.use("event bus", await openEventBus(config, about));
      const relay = startRelay({ sql: relayDatabase.sql, bus, busName: config.EVENT_BUS, ...about });
      scope.defer("outbox relay", () => relay.stop());

      const { OUTBOX_MAX_EVENTS: maxEvents } = config;
      const outboxLimit = startOutboxLimit({ sql: relayDatabase.sql, maxEvents, logger, metrics });
      scope.defer("outbox limit", () => outboxLimit.stop());
      const background = createBackground(logger);
      const deps = createDependencies({
        config,
        database,
        processor: simulatedProcessor({ ...journal, seed: config.PROCESSOR_SEED }),
        fraud: createInternalClient({
          service: "The fraud service",
          baseUrl: config.FRAUD_SERVICE_URL,
          secret: internalSecret,
        }),
        background,
        logger,
        metrics,
        outboxLimit,
        wakeRelay: () => relay.wake(),
        wakeRecovery: () => recovery.wake(),
      });
      const clock = await deps.clock.start();
      scope.defer("clock", () => clock.stop());
      const recovery = createRecovery({
        ...deps,
        everyMs: config.RECOVERY_EVERY_MS,
        capacity: recoveryCapacity,
      });
      recovery.start();
      scope.defer("recovery", () => recovery.stop());
      const forgetting = startForgetting({ sql: database.sql, logger, days: config.IDEMPOTENCY_DAYS });
      scope.defer("forgetting", () => forgetting.stop());
      const subscription = await subscribeGroup(bus, {
        group: "payment",
        maxBatch,
        consumers: consumers(deps),
      });
      scope.defer("subscription", () => subscription.stop());
      scope.defer("work after answers", () => background.drain());

      await warmUp(deps.scorer, logger);
      return {
        publicApp: createServer({
          ...deps,
          authenticator: access.authenticator,
          rateLimiter: access.rateLimiter,
          adminToken: config.ADMIN_TOKEN,
        }),
        internalApp: createInternalServer({ ...deps, bus, internalSecret }),
        readiness: [databaseCheck(database)],
      };
    },
  },
  process.env,
);

/** Fraud scores a dry batch before payments come. */
async function warmUp(scorer: { warmUp(): Promise<void> }, logger: Logger): Promise<void> {
  await retry(
    () => scorer.warmUp(),
    () => true,
    warmUpBackoff,
  ).catch((error: unknown) => {
    logger.warn({ err: error }, "fraud is away; payments follow their tenants' fail mode until it is back");
  });
}
