import { connectTenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { subscribeGroup } from "@payflow/service-kit/bus/consumers.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { holdToRecordedBus } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { operatorAuthenticator } from "@payflow/service-kit/governing/operator-settings.ts";
import { databaseCheck } from "@payflow/service-kit/process/health.ts";
import { runService, type ServiceContext } from "@payflow/service-kit/process/service.ts";
import { connectDatabase, type Database } from "@payflow/service-kit/store/database.ts";
import { createCursors } from "@payflow/service-kit/store/paging.ts";
import { notifierSettings } from "./config.ts";
import { consumers } from "./consumers.ts";
import { createDeliveriesStore } from "./deliveries/deliveries.store.ts";
import { createEndpointsStore } from "./endpoints/endpoints.store.ts";
import { createGovernedEndpointsStore } from "./endpoints/governed.store.ts";
import { createMessagesStore } from "./messages/messages.store.ts";
import { createQueueStore } from "./queue/queue.store.ts";
import { webhookMetrics } from "./queue/webhook-metrics.ts";
import { startWorker } from "./queue/worker.ts";
import { createResolver } from "./sending/resolve-host.ts";
import { createSecretBox } from "./sending/secret-box.ts";
import { createSender } from "./sending/send.ts";
import { createInternalServer, createServer } from "./server.ts";
import { createUpkeepStore } from "./upkeep/upkeep.store.ts";
import { startUpkeep } from "./upkeep/upkeep.ts";

/** Events of one call that queues deliveries. */
const maxBatch = 256;
/** Batches are at least this far apart under load: each costs round trips to the bus and the database. */
const lingerMs = 50;

await runService(
  {
    name: "notifier",
    settings: notifierSettings,
    start: async ({ config, logger, metrics, scope }) => {
      const database = scope.use(
        "database",
        connectDatabase(config.DATABASE_URL, { name: "notifier", max: config.DATABASE_POOL }),
      );
      await holdToRecordedBus({ sql: database.sql, bus: config.EVENT_BUS, logger, scope });
      const { secrets, counted, worker, upkeep } = startSending({ config, logger, metrics, scope }, database);
      const access = scope.use("tenant access", connectTenantAccess(config, { logger, metrics }));
      const messages = createMessagesStore(database.sql);
      const onQueued = (added: number) => {
        counted.queued.inc(added);
        worker.wake();
      };
      // Closed before everything else: what was read last is queued while all the rest still runs.
      const bus = scope.use(
        "event bus",
        await openEventBus(config, { service: "notifier", logger, metrics }),
      );
      await subscribeGroup(bus, {
        group: "notifier",
        maxBatch,
        lingerMs,
        consumers: consumers({ messages, onQueued, metrics: counted }),
      });

      const shared = {
        endpoints: createEndpointsStore(database),
        secrets,
        allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
        onQueueChanged: () => {
          worker.wake();
          upkeep.wake();
        },
        logger,
        metrics,
      };
      return {
        publicApp: createServer({
          ...shared,
          deliveries: createDeliveriesStore(database.sql),
          messages,
          onQueued,
          cursors: createCursors(config.INTERNAL_SERVICE_SECRET),
          authenticator: access.authenticator,
          rateLimiter: access.rateLimiter,
          adminToken: config.ADMIN_TOKEN,
        }),
        internalApp: createInternalServer({
          ...shared,
          governed: createGovernedEndpointsStore(database),
          bus,
          handOver: { messages, onQueued, metrics: counted },
          internalSecret: config.INTERNAL_SERVICE_SECRET,
          operator: operatorAuthenticator(config, logger),
        }),
        readiness: [databaseCheck(database)],
      };
    },
  },
  process.env,
);

/** What makes the attempts: the queue's worker, its upkeep and what they send with. */
function startSending(
  { config, logger, metrics, scope }: ServiceContext<typeof notifierSettings>,
  database: Database,
) {
  const older = config.WEBHOOK_PREVIOUS_ENCRYPTION_KEYS?.split(",").map((key) => key.trim()) ?? [];
  const secrets = createSecretBox([config.WEBHOOK_ENCRYPTION_KEY, ...older]);
  const sender = scope.use(
    "sender",
    createSender({
      resolve: createResolver(),
      allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
      deadlineMs: config.WEBHOOK_DEADLINE_MS,
    }),
  );
  const queue = createQueueStore(database.sql);
  const counted = webhookMetrics(metrics, queue);
  const worker = startWorker({
    queue,
    sender,
    secrets,
    logger,
    metrics: counted,
    maxInFlight: config.WEBHOOK_MAX_IN_FLIGHT,
    deadlineMs: config.WEBHOOK_DEADLINE_MS,
  });
  scope.defer("worker", () => worker.stop());
  const upkeep = startUpkeep({
    upkeep: createUpkeepStore(database.sql),
    drains: createGovernedEndpointsStore(database),
    sender,
    secrets,
    logger,
    metrics: counted,
    onQueueChanged: worker.wake,
  });
  scope.defer("upkeep", () => upkeep.stop());
  return { secrets, counted, worker, upkeep };
}
