import type { Mode } from "@payflow/contracts/access.ts";
import { checkEvent, type EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { connectDatabase, type Sql } from "@payflow/service-kit/database.ts";
import { createLogger } from "@payflow/service-kit/logging.ts";
import { Metrics } from "@payflow/service-kit/metrics.ts";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import { consumers } from "../src/consumers.ts";
import { createJournalStore } from "../src/journal/journal.store.ts";
import { postingMetrics } from "../src/journal/post-transfers.ts";

export const logger = createLogger("ledger-test", "silent");

export interface LedgerDatabase {
  /** As the role the service runs with. */
  readonly sql: Sql;
  readonly owner: Sql;
  readonly admin: Sql;
  readonly serviceUrl: string;
  close(): Promise<void>;
}

/** A ledger's database of the test file's own, open under each of its roles. */
export async function ledgerDatabase(): Promise<LedgerDatabase> {
  const database = await testPostgres("ledger");
  const service = connectDatabase(database.serviceUrl, { name: "ledger-test" });
  const owner = connectDatabase(database.ownerUrl, { name: "ledger-test-owner", max: 2 });
  const admin = connectDatabase(database.adminUrl, { name: "ledger-test-admin", max: 2 });
  return {
    sql: service.sql,
    owner: owner.sql,
    admin: admin.sql,
    serviceUrl: database.serviceUrl,
    close: async () => {
      await Promise.all([service.close(), owner.close(), admin.close()]);
      await database.drop();
    },
  };
}

/** The ledger's consumers over a database, as one replica has them. */
export function replica(sql: Sql) {
  const metrics = new Metrics("ledger-test");
  const handlers = consumers({ journal: createJournalStore(sql), logger, metrics: postingMetrics(metrics) });
  return { handlers, metrics };
}

export interface Owner {
  readonly tenantId: string;
  readonly mode: Mode;
}

export function newOwner(mode: Mode = "live"): Owner {
  return { tenantId: newId("ten"), mode };
}

interface SettledPayment {
  readonly paymentId?: string;
  readonly eventId?: string;
  readonly currency?: string;
  readonly captured?: number;
  readonly status?: EventEnvelope<"payment.settled">["data"]["status"];
  readonly at?: Date;
}

export function paymentSettled(owner: Owner, of: SettledPayment = {}): EventEnvelope<"payment.settled"> {
  const captured = of.captured ?? 1_000;
  const at = (of.at ?? new Date()).toISOString();
  const paymentId = of.paymentId ?? newId("pay");
  return checked<"payment.settled">({
    event_id: of.eventId ?? newId("evt"),
    type: "payment.settled",
    version: 1,
    tenant_id: owner.tenantId,
    mode: owner.mode,
    key: paymentId,
    sequence: 2,
    occurred_at: at,
    request_id: null,
    data: {
      payment_id: paymentId,
      amount: captured === 0 ? 1_000 : captured,
      currency: of.currency ?? "INR",
      status: of.status ?? (captured === 0 ? "failed" : "succeeded"),
      amount_captured: captured,
      error: null,
      customer_id: null,
      card_fingerprint: null,
      scoring: { decision: "allow", source: "score" },
      settled_at: at,
    },
  });
}

interface SettledRefund {
  readonly paymentId: string;
  readonly refundId?: string;
  readonly eventId?: string;
  readonly currency?: string;
  readonly amount?: number;
  readonly status?: "succeeded" | "failed";
  readonly at?: Date;
}

export function refundSettled(owner: Owner, of: SettledRefund): EventEnvelope<"refund.settled"> {
  const at = (of.at ?? new Date()).toISOString();
  return checked<"refund.settled">({
    event_id: of.eventId ?? newId("evt"),
    type: "refund.settled",
    version: 1,
    tenant_id: owner.tenantId,
    mode: owner.mode,
    key: of.paymentId,
    sequence: 4,
    occurred_at: at,
    request_id: null,
    data: {
      refund_id: of.refundId ?? newId("ref"),
      payment_id: of.paymentId,
      amount: of.amount ?? 400,
      currency: of.currency ?? "INR",
      status: of.status ?? "succeeded",
      error: null,
      settled_at: at,
    },
  });
}

function checked<T extends "payment.settled" | "refund.settled">(event: EventEnvelope<T>): EventEnvelope<T> {
  checkEvent(event);
  return event;
}
