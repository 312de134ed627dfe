import { eventBusTable } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { byteText, instant, wholeNumber } from "@payflow/service-kit/store/columns.ts";
import { leaseTable } from "@payflow/service-kit/store/lease.ts";
import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  numeric,
  pgTable,
  primaryKey,
  unique,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import type { FindingKind } from "./comparison/compare.ts";
import type { Account, TransferType } from "./journal/transfer.ts";
import type {
  ReconciliationKind,
  ReconciliationPosition,
  ReconciliationStatus,
} from "./reconciliation/run.ts";

/** Reconciliation runs in one replica at a time. */
export const lease = leaseTable;
export const eventBus = eventBusTable;

/** Sums have no upper bound as amounts do; 38 digits never overflow. Read as text, used as `BigInt`. */
const sum = (name: string) => numeric(name, { precision: 38, scale: 0 }).notNull().default("0");

/**
 * The journal: one row is one balanced movement. Tenant, mode and currency stand in the row once and hold for
 * both sides, so that an unbalanced, cross-tenant, cross-mode or cross-currency movement cannot be written
 * down.
 */
export const transfer = pgTable(
  "transfer",
  {
    journalId: byteText("journal_id").primaryKey(),
    eventId: byteText("event_id").notNull(),
    type: byteText("type").$type<TransferType>().notNull(),
    tenantId: byteText("tenant_id").notNull(),
    mode: byteText("mode").$type<"live" | "test">().notNull(),
    currency: byteText("currency").notNull(),
    debitAccount: byteText("debit_account").$type<Account>().notNull(),
    creditAccount: byteText("credit_account").$type<Account>().notNull(),
    amount: wholeNumber("amount").notNull(),
    paymentId: byteText("payment_id").notNull(),
    refundId: byteText("refund_id"),
    effectiveAt: instant("effective_at").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    unique("transfer_event").on(table.eventId),
    // One capture per payment, since its refund_id is null; also finds what belongs to a payment.
    unique("transfer_payment").on(table.paymentId, table.refundId).nullsNotDistinct(),
    uniqueIndex("transfer_refund").on(table.refundId).where(sql`refund_id is not null`),
    index("transfer_list").on(table.tenantId, table.mode, table.currency, table.journalId),
    index("transfer_effective").on(table.effectiveAt, table.journalId),
    check("transfer_amount", sql`amount between 1 and 999999999999`),
    check("transfer_mode", sql`mode in ('live', 'test')`),
    check("transfer_currency", sql`currency ~ '^[A-Z]{3}$'`),
    check(
      "transfer_sides",
      sql`(type = 'capture' and refund_id is null
          and debit_account = 'processor_clearing' and credit_account = 'tenant_payable')
        or (type = 'refund' and refund_id is not null
          and debit_account = 'tenant_payable' and credit_account = 'processor_clearing')`,
    ),
  ],
);
export type TransferRow = typeof transfer.$inferSelect;

/**
 * The running sums of each account, moved only by `post_transfers` in the transaction of the rows they sum
 * up.
 */
export const account = pgTable(
  "account",
  {
    tenantId: byteText("tenant_id").notNull(),
    mode: byteText("mode").$type<"live" | "test">().notNull(),
    currency: byteText("currency").notNull(),
    account: byteText("account").$type<Account>().notNull(),
    debits: sum("debits"),
    credits: sum("credits"),
    transfers: wholeNumber("transfers").notNull().default(0),
    openedAt: instant("opened_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.mode, table.currency, table.account] }),
    check(
      "account_name",
      sql`account in ('processor_clearing', 'tenant_payable', 'fee_revenue', 'suspense')`,
    ),
    check("account_sums", sql`debits >= 0 and credits >= 0 and transfers >= 0`),
  ],
);
export type AccountRow = typeof account.$inferSelect;

/** How far each topic's consumer came; written in the posting's own transaction. */
export const consumerProgress = pgTable("consumer_progress", {
  topic: byteText("topic").primaryKey(),
  events: wholeNumber("events").notNull(),
  transfers: wholeNumber("transfers").notNull(),
  lastEventId: byteText("last_event_id").notNull(),
  lastOccurredAt: instant("last_occurred_at").notNull(),
  updatedAt: instant("updated_at").notNull().defaultNow(),
});

/**
 * Where each partition's reading goes on, on a bus that tells it; written in the posting's own transaction,
 * so that it is as new as the journal whatever becomes of the bus's own positions.
 */
export const partitionProgress = pgTable(
  "partition_progress",
  {
    topic: byteText("topic").notNull(),
    /** Names the topic's log: one made anew has other offsets. */
    log: byteText("log").notNull(),
    partition: integer("partition").notNull(),
    /** All before it is booked, or was given up by the bus. */
    nextOffset: wholeNumber("next_offset").notNull(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.topic, table.log, table.partition] })],
);

/**
 * Events that name a movement booked already, but with other content: kept for people to look at, never
 * booked.
 */
export const refusedPosting = pgTable(
  "refused_posting",
  {
    eventId: byteText("event_id").notNull(),
    type: byteText("type").$type<TransferType>().notNull(),
    tenantId: byteText("tenant_id").notNull(),
    mode: byteText("mode").$type<"live" | "test">().notNull(),
    currency: byteText("currency").notNull(),
    amount: wholeNumber("amount").notNull(),
    paymentId: byteText("payment_id").notNull(),
    refundId: byteText("refund_id"),
    bookedJournalId: byteText("booked_journal_id").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    unique("refused_posting_once")
      .on(
        table.eventId,
        table.type,
        table.tenantId,
        table.mode,
        table.currency,
        table.amount,
        table.paymentId,
        table.refundId,
      )
      .nullsNotDistinct(),
  ],
);

export const reconciliation = pgTable(
  "reconciliation",
  {
    reconciliationId: byteText("reconciliation_id").primaryKey(),
    kind: byteText("kind").$type<ReconciliationKind>().notNull(),
    status: byteText("status").$type<ReconciliationStatus>().notNull().default("queued"),
    fromAt: instant("from_at"),
    toAt: instant("to_at"),
    /** Where a run goes on after its replica died. */
    position: jsonb("position").$type<ReconciliationPosition>(),
    settlements: wholeNumber("settlements").notNull().default(0),
    transfers: wholeNumber("transfers").notNull().default(0),
    accounts: wholeNumber("accounts").notNull().default(0),
    findings: wholeNumber("findings").notNull().default(0),
    error: byteText("error"),
    requestedAt: instant("requested_at").notNull().defaultNow(),
    startedAt: instant("started_at"),
    finishedAt: instant("finished_at"),
  },
  (table) => [
    index("reconciliation_open").on(table.requestedAt).where(sql`status in ('queued', 'running')`),
    index("reconciliation_latest").on(table.kind, table.requestedAt),
    check("reconciliation_kind", sql`kind in ('continuous', 'full', 'on_demand')`),
    check("reconciliation_status", sql`status in ('queued', 'running', 'completed', 'failed')`),
  ],
);
export type ReconciliationRow = typeof reconciliation.$inferSelect;

export const reconciliationFinding = pgTable(
  "reconciliation_finding",
  {
    findingId: bigint("finding_id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    reconciliationId: byteText("reconciliation_id")
      .notNull()
      .references(() => reconciliation.reconciliationId, { onDelete: "cascade" }),
    kind: byteText("kind").$type<FindingKind>().notNull(),
    /** What the finding is about; one finding of a kind per subject in a run. */
    subject: byteText("subject").notNull(),
    tenantId: byteText("tenant_id").notNull(),
    mode: byteText("mode").$type<"live" | "test">().notNull(),
    currency: byteText("currency").notNull(),
    paymentId: byteText("payment_id"),
    refundId: byteText("refund_id"),
    journalId: byteText("journal_id"),
    account: byteText("account").$type<Account>(),
    expected: byteText("expected"),
    found: byteText("found"),
    detail: byteText("detail").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    unique("reconciliation_finding_once").on(table.reconciliationId, table.kind, table.subject),
    index("reconciliation_finding_page").on(table.reconciliationId, table.findingId),
    check(
      "reconciliation_finding_kind",
      sql`kind in ('missing_in_ledger', 'missing_in_payment', 'amount_mismatch', 'status_mismatch',
        'balance_drift')`,
    ),
  ],
);
export type FindingRow = typeof reconciliationFinding.$inferSelect;
