import { eventBusTable } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { outboxTable } from "@payflow/service-kit/outbox/outbox.ts";
import { bytea, byteText, instant, wholeNumber } from "@payflow/service-kit/store/columns.ts";
import { leaseTable } from "@payflow/service-kit/store/lease.ts";
import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  integer,
  pgTable,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { type OperationKind, operationKinds } from "./operations/operation.ts";
import {
  type CaptureMethod,
  captureMethods,
  type Decision,
  decisions,
  type PaymentStatus,
  paymentStatuses,
  type ScoringSource,
  scoringSources,
} from "./payments/payment.ts";

/**
 * Who may work on an open row, and until when. `due_at` is the end of the holder's lease, or the time of the
 * next inquiry or expiry when nobody holds it; null when nothing is left to do. Each take-over adds one to
 * `fence`, and whoever finishes must still know the present fence.
 */
const held = {
  fence: integer().notNull().default(1),
  dueAt: instant("due_at"),
  inquiries: integer().notNull().default(0),
};

export const payment = pgTable(
  "payment",
  {
    id: byteText("id").primaryKey(),
    tenantId: byteText("tenant_id").notNull(),
    mode: text("mode").$type<"live" | "test">().notNull(),
    amount: wholeNumber("amount").notNull(),
    amountCaptured: wholeNumber("amount_captured").notNull().default(0),
    amountRefunded: wholeNumber("amount_refunded").notNull().default(0),
    /** Reserved by refunds that are not settled yet. */
    refundPending: wholeNumber("refund_pending").notNull().default(0),
    currency: text("currency").notNull(),
    status: text("status").$type<PaymentStatus>().notNull().default("processing"),
    captureMethod: text("capture_method").$type<CaptureMethod>().notNull(),
    paymentMethod: text("payment_method").notNull(),
    description: text("description"),
    /** JSON text, so that the caller's order of keys stays; null when none was given. */
    metadata: text("metadata"),
    customerId: text("customer_id"),
    cardFingerprint: text("card_fingerprint"),
    ip: text("ip"),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    fraudDecision: text("fraud_decision").$type<Decision>(),
    fraudScore: smallint("fraud_score"),
    /** A JSON array of names, as text; null when no rule triggered. */
    fraudRules: text("fraud_rules"),
    scoringSource: text("scoring_source").$type<ScoringSource>().notNull().default("none"),
    /** What fraud said too late to stop the payment. */
    lateDecision: text("late_decision").$type<Decision>(),
    /** Number of the last event emitted for this payment. */
    sequence: integer("sequence").notNull().default(1),
    requestId: text("request_id").notNull(),
    idempotencyKey: uuid("idempotency_key").notNull(),
    ...held,
    createdAt: instant("created_at").notNull(),
    updatedAt: instant("updated_at").notNull(),
    /** When the final state was reached; the settled event's own time. */
    settledAt: instant("settled_at"),
  },
  (table) => [
    index("payment_list").on(table.tenantId, table.mode, table.createdAt, table.id),
    /**
     * A list of one state must not read through a tenant's payments in all others. `settled_at` says nothing
     * new of either state, but no statement of the hot path names it: without, a plan made while few payments
     * are open would take such an index in place of the primary key, and read all of it for each payment.
     */
    index("payment_processing")
      .on(table.tenantId, table.mode, table.createdAt, table.id)
      .where(sql`settled_at is null and status = 'processing'`),
    index("payment_succeeded")
      .on(table.tenantId, table.mode, table.createdAt, table.id)
      .where(sql`settled_at is not null and status = 'succeeded'`),
    /** The rarer states. */
    index("payment_status")
      .on(table.tenantId, table.mode, table.status, table.createdAt, table.id)
      .where(sql`status in ('authorized', 'expired', 'failed', 'flagged', 'voided')`),
    index("payment_due").on(table.dueAt).where(sql`due_at is not null`),
    index("payment_settled").on(table.settledAt, table.id).where(sql`settled_at is not null`),
    check("payment_mode", sql`mode in ('live', 'test')`),
    check("payment_amount", sql`amount between 1 and 999999999999`),
    check("payment_captured", sql`amount_captured between 0 and amount`),
    check(
      "payment_refunded",
      sql`amount_refunded >= 0 and refund_pending >= 0 and amount_refunded + refund_pending <= amount_captured`,
    ),
    check("payment_currency", sql`currency ~ '^[A-Z]{3}$'`),
    check("payment_status", oneOf("status", paymentStatuses)),
    check("payment_capture_method", oneOf("capture_method", captureMethods)),
    check("payment_decision", oneOf("fraud_decision", decisions)),
    check("payment_late_decision", oneOf("late_decision", decisions)),
    check("payment_scoring_source", oneOf("scoring_source", scoringSources)),
    check("payment_succeeded_is_captured", sql`(status = 'succeeded') = (amount_captured > 0)`),
    check("payment_due_while_processing", sql`status <> 'processing' or due_at is not null`),
    check("payment_failed_says_why", sql`status <> 'failed' or error_code is not null`),
    check("payment_flagged_by", sql`status <> 'flagged' or fraud_decision in ('review', 'block')`),
    check(
      "payment_settled_when_final",
      sql`(settled_at is not null) = (status in ('succeeded', 'failed', 'voided', 'expired')
        or (status = 'flagged' and fraud_decision = 'block'))`,
    ),
  ],
);
export type PaymentRow = typeof payment.$inferSelect;

const operationStatuses = ["open", "done", "refused"] as const;
export type OperationStatus = (typeof operationStatuses)[number];

/** Something asked of the processor about an authorized payment. Its id is its processor key. */
export const operation = pgTable(
  "operation",
  {
    id: uuid("id").primaryKey(),
    paymentId: byteText("payment_id")
      .notNull()
      .references(() => payment.id),
    kind: text("kind").$type<OperationKind>().notNull(),
    /** Minor units to capture; null for what moves no money. */
    amount: wholeNumber("amount"),
    status: text("status").$type<OperationStatus>().notNull().default("open"),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    requestId: text("request_id"),
    /** Null for what no request asked for: expiry, a late flag. */
    idempotencyKey: uuid("idempotency_key"),
    ...held,
    createdAt: instant("created_at").notNull().defaultNow(),
    closedAt: instant("closed_at"),
  },
  (table) => [
    uniqueIndex("operation_one_open").on(table.paymentId).where(sql`status = 'open'`),
    index("operation_payment").on(table.paymentId),
    index("operation_due").on(table.dueAt).where(sql`due_at is not null`),
    check("operation_kind", oneOf("kind", operationKinds)),
    check("operation_status", oneOf("status", operationStatuses)),
    check("operation_amount", sql`amount is null or amount > 0`),
    check("operation_closed", sql`(status = 'open') = (closed_at is null)`),
    check("operation_due_while_open", sql`(status = 'open') = (due_at is not null)`),
  ],
);
export type OperationRow = typeof operation.$inferSelect;

export const refundStatuses = ["processing", "succeeded", "failed"] as const;
export type RefundStatus = (typeof refundStatuses)[number];

/** Captured money on its way back. Its id is its processor key. */
export const refund = pgTable(
  "refund",
  {
    id: byteText("id").primaryKey(),
    paymentId: byteText("payment_id")
      .notNull()
      .references(() => payment.id),
    tenantId: byteText("tenant_id").notNull(),
    mode: text("mode").$type<"live" | "test">().notNull(),
    amount: wholeNumber("amount").notNull(),
    currency: text("currency").notNull(),
    reason: text("reason"),
    status: text("status").$type<RefundStatus>().notNull().default("processing"),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    /** The late flag that asked for this refund, at most once each. */
    flagEventId: byteText("flag_event_id").unique("refund_one_per_flag"),
    requestId: text("request_id"),
    idempotencyKey: uuid("idempotency_key"),
    ...held,
    createdAt: instant("created_at").notNull().defaultNow(),
    settledAt: instant("settled_at"),
  },
  (table) => [
    index("refund_payment").on(table.paymentId, table.createdAt, table.id),
    index("refund_due").on(table.dueAt).where(sql`due_at is not null`),
    index("refund_settled").on(table.settledAt, table.id).where(sql`settled_at is not null`),
    check("refund_mode", sql`mode in ('live', 'test')`),
    check("refund_amount", sql`amount > 0`),
    check("refund_status", oneOf("status", refundStatuses)),
    check("refund_settled_when_final", sql`(status = 'processing') = (settled_at is null)`),
    check("refund_due_while_open", sql`(status = 'processing') = (due_at is not null)`),
  ],
);
export type RefundRow = typeof refund.$inferSelect;

/**
 * One row for each request that carried an Idempotency-Key and was not refused. The id is a digest of tenant,
 * mode, path and key; the answer is null while the first request is open.
 */
export const idempotency = pgTable(
  "idempotency",
  {
    id: uuid("id").primaryKey(),
    /** The payment, operation or refund that the request made. */
    subject: text("subject").notNull(),
    /** Four bytes for each field of the body, to name those that differ; never the body itself. */
    fingerprint: bytea("fingerprint").notNull(),
    status: smallint("status"),
    /** The first answer's bytes, as sent. */
    answer: text("answer"),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    index("idempotency_age").using("brin", table.createdAt).with({ autosummarize: true }),
    check("idempotency_status", sql`status in (200, 201, 202, 402)`),
    check("idempotency_answer", sql`(status is null) = (answer is null)`),
  ],
);

/** A late `fraud.flagged` event that payment has taken note of; applied by whoever ends what is open. */
export const flag = pgTable(
  "flag",
  {
    eventId: byteText("event_id").primaryKey(),
    paymentId: byteText("payment_id").notNull(),
    rule: text("rule").notNull(),
    score: smallint("score").notNull(),
    decision: text("decision").$type<Decision>().notNull(),
    /** Whether the policy wants what was captured refunded. */
    wantsRefund: boolean("wants_refund").notNull(),
    ...held,
    flaggedAt: instant("flagged_at").notNull(),
    receivedAt: instant("received_at").notNull().defaultNow(),
    /** Null while it waits for an open payment, operation or refund to end. */
    appliedAt: instant("applied_at"),
  },
  (table) => [
    index("flag_payment").on(table.paymentId),
    index("flag_due").on(table.dueAt).where(sql`due_at is not null`),
    check("flag_decision", sql`decision in ('flag', 'review', 'block')`),
    check("flag_due_until_applied", sql`(applied_at is null) = (due_at is not null)`),
  ],
);

/** Events waiting for the bus, and what only one replica may do at a time: both belong to the kit. */
export const outbox = outboxTable;
export const lease = leaseTable;
export const eventBus = eventBusTable;

function oneOf(column: string, values: readonly string[]) {
  return sql.raw(`${column} in (${values.map((value) => `'${value}'`).join(", ")})`);
}
