import { connectTenantAccess } from "@payflow/service-kit/auth/tenant-access.ts";
import { subscribeGroup } from "@payflow/service-kit/bus/consumers.ts";
import { openEventBus } from "@payflow/service-kit/bus/open-bus.ts";
import { holdToRecordedBus } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { databaseCheck } from "@payflow/service-kit/process/health.ts";
import { runService } from "@payflow/service-kit/process/service.ts";
import { connectDatabase } from "@payflow/service-kit/store/database.ts";
import { createCursors } from "@payflow/service-kit/store/paging.ts";
import { StoreClock } from "@payflow/service-kit/store/store-clock.ts";
import { createBalancesStore } from "./balances/balances.store.ts";
import { createBooksStore } from "./comparison/books.store.ts";
import { caughtUp } from "./comparison/caught-up.ts";
import { createSettlements } from "./comparison/settlements.ts";
import { ledgerSettings } from "./config.ts";
import { consumers } from "./consumers.ts";
import { createJournalStore } from "./journal/journal.store.ts";
import { postingMetrics } from "./journal/post-transfers.ts";
import { reconciliationMetrics } from "./reconciliation/reconcile.ts";
import { startReconciler } from "./reconciliation/reconciler.ts";
import { createReconciliationStore } from "./reconciliation/reconciliation.store.ts";
import { createInternalServer, createServer } from "./server.ts";

/** Events of one posting: the knee of the measured curve lies between 100 and 500. */
const maxBatch = 500;
/** Nothing but the balance's reader waits for the booking: a tenth of a second makes a few calls of many. */
const lingerMs = 100;
const tickMs = 1_000;
/** How long a run waits for the bus before it is put off. */
const catchUpSeconds = 60;

await runService(
  {
    name: "ledger",
    settings: ledgerSettings,
    start: async ({ config, logger, metrics, scope }) => {
      const database = scope.use(
        "database",
        connectDatabase(config.DATABASE_URL, { name: "ledger", max: config.DATABASE_POOL }),
      );
      const { sql } = database;
      await holdToRecordedBus({ sql, bus: config.EVENT_BUS, logger, scope });
      const access = scope.use("tenant access", connectTenantAccess(config, { logger, metrics }));
      const bus = scope.use("event bus", await openEventBus(config, { service: "ledger", logger, metrics }));
      const journal = createJournalStore(sql);
      const runs = createReconciliationStore(sql);
      const storeClock = new StoreClock(sql);
      const clock = await storeClock.start();
      scope.defer("clock", () => clock.stop());
      await subscribeGroup(bus, {
        ...{ group: "ledger", maxBatch, lingerMs },
        consumers: consumers({ journal, logger, clock: storeClock, metrics: postingMetrics(metrics) }),
        resumeFrom: (topic, log) => journal.nextOffsets(topic, log),
        keepProgress: (topic, place) => journal.keepProgress(topic, place),
      });

      const payment = createInternalClient({
        service: "The payment service",
        baseUrl: config.PAYMENT_SERVICE_URL,
        secret: config.INTERNAL_SERVICE_SECRET,
      });
      const reconciler = startReconciler({
        sql,
        logger,
        tickMs,
        schedule: {
          intervalSeconds: config.RECONCILIATION_INTERVAL_SECONDS,
          nightly: config.RECONCILIATION_NIGHTLY,
        },
        reconcile: {
          comparison: {
            books: createBooksStore(sql),
            settlements: createSettlements(payment),
            caughtUp: (signal) => caughtUp(bus, catchUpSeconds, signal),
          },
          runs,
          metrics: reconciliationMetrics(metrics),
          now: () => runs.now(),
          graceSeconds: config.RECONCILIATION_GRACE_SECONDS,
        },
      });
      scope.defer("reconciler", () => reconciler.stop());

      return {
        publicApp: createServer({
          balances: createBalancesStore(sql),
          journal,
          runs,
          cursors: createCursors(config.INTERNAL_SERVICE_SECRET),
          onRequested: () => reconciler.wake(),
          authenticator: access.authenticator,
          rateLimiter: access.rateLimiter,
          adminToken: config.ADMIN_TOKEN,
          logger,
          metrics,
        }),
        internalApp: createInternalServer({
          bus,
          internalSecret: config.INTERNAL_SERVICE_SECRET,
          logger,
          metrics,
        }),
        readiness: [databaseCheck(database)],
      };
    },
  },
  process.env,
);
