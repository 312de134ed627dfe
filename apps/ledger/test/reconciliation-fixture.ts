import type { EventEnvelope } from "@payflow/contracts/events.ts";
import type { GroupLag } from "@payflow/service-kit/bus/bus.ts";
import type { Sql } from "@payflow/service-kit/database.ts";
import { createInternalClient } from "@payflow/service-kit/internal-client.ts";
import { Metrics } from "@payflow/service-kit/metrics.ts";
import { createBooksStore } from "../src/comparison/books.store.ts";
import { caughtUp } from "../src/comparison/caught-up.ts";
import { createSettlements } from "../src/comparison/settlements.ts";
import { reconciliationMetrics } from "../src/reconciliation/reconcile.ts";
import type { StartReconciler } from "../src/reconciliation/reconciler.ts";
import { createReconciliationStore } from "../src/reconciliation/reconciliation.store.ts";
import { logger, newOwner, paymentSettled, refundSettled, replica } from "./fixture.ts";
import { type SettlementsServer, settlementOf } from "./settlements-server.ts";

export interface ReconcilerOptions {
  readonly graceSeconds?: number;
  readonly now?: () => Promise<Date>;
  /** What the bus says of the ledger's group; nothing unread when left out. */
  readonly lag?: () => Promise<Pick<GroupLag, "events" | "seconds">>;
  readonly catchUpSeconds?: number;
}

/** Reconciliation as one replica carries it out, with the ticking left to the test. */
export function reconcilerOf(
  sql: Sql,
  payment: Pick<SettlementsServer, "url" | "secret">,
  options: ReconcilerOptions = {},
): StartReconciler & { readonly observed: Metrics } {
  const runs = createReconciliationStore(sql);
  const observed = new Metrics("ledger-test");
  const client = createInternalClient({
    service: "The payment service",
    baseUrl: payment.url,
    secret: payment.secret,
  });
  const lag = options.lag ?? (async () => ({ events: 0, seconds: 0 }));
  const bus = { lag: async (group: string) => ({ group, topics: [], ...(await lag()) }) };
  return {
    sql,
    logger,
    observed,
    tickMs: 20,
    // The nightly run and the continuous one are asked for by tests of the schedule alone.
    schedule: { intervalSeconds: 10_000_000_000, nightly: "0 2 * * *" },
    reconcile: {
      comparison: {
        books: createBooksStore(sql),
        settlements: createSettlements(client),
        caughtUp: (signal) => caughtUp(bus, options.catchUpSeconds ?? 5, signal),
      },
      runs,
      metrics: reconciliationMetrics(observed),
      now: options.now ?? (() => runs.now()),
      graceSeconds: options.graceSeconds ?? 60,
    },
  };
}

/** A time that no grace covers any more. */
export const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);

export interface Told {
  readonly captures: readonly EventEnvelope<"payment.settled">[];
  readonly refunds: readonly EventEnvelope<"refund.settled">[];
}

/** Payments with a refund each, some of them failed, over the last minutes; several share a moment. */
export function tellPayments(count: number, lastMinutesAgo = 5): Told {
  const owners = [newOwner(), newOwner("test"), newOwner()];
  const captures: EventEnvelope<"payment.settled">[] = [];
  const refunds: EventEnvelope<"refund.settled">[] = [];
  for (let index = 0; index < count; index += 1) {
    const owner = owners[index % owners.length] ?? newOwner();
    const at = new Date(minutesAgo(lastMinutesAgo + 10).getTime() + Math.floor(index / 3));
    const isFailed = index % 7 === 6;
    const capture = paymentSettled(owner, { captured: isFailed ? 0 : 1_000 + index, at });
    captures.push(capture);
    if (isFailed) continue;
    const { payment_id: paymentId } = capture.data;
    const status = index % 5 === 4 ? "failed" : "succeeded";
    refunds.push(refundSettled(owner, { paymentId, amount: 10, at, status }));
  }
  return { captures, refunds };
}

/** Writes the events into payment's books and has the ledger book them, as a clean system does. */
export async function settle(sql: Sql, payment: Pick<SettlementsServer, "books">, told: Told): Promise<void> {
  for (const event of [...told.captures, ...told.refunds]) {
    const settlement = settlementOf(event);
    payment.books.set(settlement.id, settlement);
  }
  const { handlers } = replica(sql);
  await handlers["payment.settled"](told.captures);
  await handlers["refund.settled"](told.refunds);
}
