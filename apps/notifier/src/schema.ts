import type { Mode } from "@payflow/contracts/access.ts";
import { eventBusTable } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { governedObjectTable, operatorFenceTable } from "@payflow/service-kit/governing/governed.ts";
import { bytea, byteText } from "@payflow/service-kit/store/columns.ts";
import { leaseTable } from "@payflow/service-kit/store/lease.ts";
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
const owner = { tenantId: byteText("tenant_id").notNull(), mode: text("mode").$type<Mode>().notNull() };

export const disabledReasons = ["owner", "gone", "failing", "deleted"] as const;
export const deliveryEnds = ["pending", "delivered", "failed", "canceled"] as const;

/** Where a tenant wants its events. Secrets are sealed; the key they are sealed with stands beside them. */
export const endpoint = pgTable(
  "endpoint",
  {
    id: byteText("id").primaryKey(),
    ...owner,
    url: text("url").notNull(),
    events: text("events").array().notNull(),
    description: text("description"),
    isDefault: boolean("is_default").notNull().default(false),
    ratePerSecond: integer("rate_per_second"),
    enabled: boolean("enabled").notNull().default(true),
    disabledReason: text("disabled_reason", { enum: disabledReasons }),
    disabledAt: instant("disabled_at"),
    secret: bytea("secret").notNull(),
    secretKeyId: text("secret_key_id").notNull(),
    previousSecret: bytea("previous_secret"),
    previousSecretKeyId: text("previous_secret_key_id"),
    previousExpiresAt: instant("previous_expires_at"),
    createdAt: instant("created_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
    deletedAt: instant("deleted_at"),
    managedBy: text("managed_by").$type<"kubernetes">(),
    /** What its resource wants; `enabled` is false beside that once failures have disabled it. */
    wantedEnabled: boolean("wanted_enabled"),
    /** What one attempt may take, and how many a delivery gets, where its resource says so. */
    timeoutMs: integer("timeout_ms"),
    maxAttempts: smallint("max_attempts"),
    /** Since when it is told of nothing new: it goes once what waited was sent. */
    drainingAt: instant("draining_at"),
  },
  (table) => [
    index("endpoint_of_tenant").on(table.tenantId, table.mode, table.id).where(sql`deleted_at is null`),
    uniqueIndex("endpoint_one_default")
      .on(table.tenantId, table.mode)
      .where(sql`is_default and deleted_at is null`),
    index("endpoint_draining").on(table.id).where(sql`draining_at is not null and deleted_at is null`),
    check("endpoint_managed_by", sql`managed_by in ('kubernetes')`),
    check("endpoint_mode", sql`mode in ('live', 'test')`),
    check("endpoint_disabled_reason", sql`disabled_reason in ('owner', 'gone', 'failing', 'deleted')`),
    check("endpoint_enabled", sql`enabled = (disabled_reason is null)`),
  ],
);

/**
 * An endpoint's place in the queue. `next_due` is when its next turn may be: infinity while nothing waits,
 * while it is disabled and while `inflight` has reached `cap`. Changed only by who holds the lock of its
 * tenant's row.
 */
export const endpointQueue = pgTable(
  "endpoint_queue",
  {
    endpointId: byteText("endpoint_id").primaryKey(),
    ...owner,
    nextDue: instant("next_due").notNull().default(sql`'infinity'`),
    /** Its last turn; a backlog of old deliveries does not put it before those whose turn is longer ago. */
    turnedAt: instant("turned_at").notNull().default(sql`'-infinity'`),
    inflight: integer("inflight").notNull().default(0),
    /** Grows with successes, shrinks with time-outs. */
    cap: integer("cap").notNull().default(4),
    /**
     * When the endpoint's rate is used up to; the theoretical arrival time of the generic cell rate
     * algorithm.
     */
    rateAt: instant("rate_at").notNull().default(sql`'-infinity'`),
    /** The breaker, and `Retry-After` of 429 and 503. */
    pausedUntil: instant("paused_until").notNull().default(sql`'-infinity'`),
    consecutiveFailures: integer("consecutive_failures").notNull().default(0),
    lastSuccessAt: instant("last_success_at"),
    lastFailureAt: instant("last_failure_at"),
    /** Of the latest attempt that was answered at all. */
    lastStatusCode: smallint("last_status_code"),
    /** Deliveries that were given up. */
    deadDeliveries: bigint("dead_deliveries", { mode: "number" }).notNull().default(0),
    /** The first failure since the last success, and how many messages have failed since then. */
    failingSince: instant("failing_since"),
    failedMessages: integer("failed_messages").notNull().default(0),
    /** 0, 50 or 75: percent of what disables the endpoint. */
    warning: smallint("warning").notNull().default(0),
    /** When an endpoint that was disabled for failing is tried again. */
    probeDue: instant("probe_due"),
    probes: integer("probes").notNull().default(0),
  },
  (table) => [
    index("endpoint_queue_turn").on(table.tenantId, table.mode, table.nextDue),
    index("endpoint_queue_probe").on(table.probeDue).where(sql`probe_due is not null`),
    check("endpoint_queue_inflight", sql`inflight >= 0`),
    check("endpoint_queue_cap", sql`cap between 1 and 64`),
  ],
);

/** A tenant's place in the queue, and the lock under which anything of its queue changes. */
export const tenantQueue = pgTable(
  "tenant_queue",
  {
    ...owner,
    nextDue: instant("next_due").notNull().default(sql`'infinity'`),
    turnedAt: instant("turned_at").notNull().default(sql`'-infinity'`),
    inflight: integer("inflight").notNull().default(0),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.mode] }),
    index("tenant_queue_turn").on(table.nextDue),
    check("tenant_queue_inflight", sql`inflight >= 0`),
  ],
);

/** The exact text that is signed and sent. */
export const message = pgTable(
  "message",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    source: text("source").notNull(),
    ...owner,
    eventId: text("event_id").notNull(),
    event: text("event").notNull(),
    body: text("body").notNull(),
    /** Of the request that caused the event; it goes with every attempt. */
    requestId: text("request_id"),
    /** The W3C trace context that each attempt goes on with. */
    traceparent: text("traceparent"),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [uniqueIndex("message_once").on(table.tenantId, table.mode, table.eventId, table.source)],
);

/**
 * What became of a message at one endpoint. A row that is not in `delivery_queue` is finished. Columns that a
 * success changes are in no index, so that it costs no index entries.
 */
export const delivery = pgTable(
  "delivery",
  {
    id: byteText("id").notNull(),
    ...owner,
    endpointId: byteText("endpoint_id").notNull(),
    messageId: bigint("message_id", { mode: "number" }).notNull(),
    status: text("status", { enum: deliveryEnds }).notNull().default("pending"),
    attempts: smallint("attempts").notNull().default(0),
    firstAttemptAt: instant("first_attempt_at"),
    lastAttemptAt: instant("last_attempt_at"),
    lastStatusCode: smallint("last_status_code"),
    lastError: text("last_error"),
    createdAt: instant("created_at").notNull().defaultNow(),
    finishedAt: instant("finished_at"),
    /** Set when it failed or was canceled, for the lists of those. */
    unsuccessfulAt: instant("unsuccessful_at"),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.mode, table.id] }),
    index("delivery_of_endpoint").on(table.endpointId, table.id),
    index("delivery_of_message").on(table.messageId),
    index("delivery_unsuccessful")
      .on(table.tenantId, table.mode, table.id)
      .where(sql`unsuccessful_at is not null`),
    check("delivery_status", sql`status in ('pending', 'delivered', 'failed', 'canceled')`),
  ],
);

/** Deliveries that wait for their time, or that a worker has under its lease. */
export const deliveryQueue = pgTable(
  "delivery_queue",
  {
    deliveryId: byteText("delivery_id").primaryKey(),
    ...owner,
    endpointId: byteText("endpoint_id").notNull(),
    messageId: bigint("message_id", { mode: "number" }).notNull(),
    due: instant("due").notNull().defaultNow(),
    attempts: smallint("attempts").notNull().default(0),
    /** How many attempts the present schedule began after: a resend starts a new one. */
    attemptsBefore: smallint("attempts_before").notNull().default(0),
    firstAttemptAt: instant("first_attempt_at"),
    lastAttemptAt: instant("last_attempt_at"),
    lease: uuid("lease"),
    leaseUntil: instant("lease_until"),
  },
  (table) => [
    index("delivery_queue_waiting").on(table.endpointId, table.due).where(sql`lease is null`),
    index("delivery_queue_leased").on(table.leaseUntil).where(sql`lease is not null`),
    check("delivery_queue_lease", sql`(lease is null) = (lease_until is null)`),
  ],
);

/** Every attempt, kept for 30 days: a table partitioned by day. */
export const attempt = pgTable(
  "attempt",
  {
    deliveryId: byteText("delivery_id").notNull(),
    number: smallint("number").notNull(),
    startedAt: instant("started_at").notNull(),
    durationMs: integer("duration_ms"),
    statusCode: smallint("status_code"),
    error: text("error"),
    /** The address it was sent to. */
    address: text("address"),
    /** The first 8 KiB of the answer's body. */
    response: bytea("response"),
  },
  (table) => [primaryKey({ columns: [table.deliveryId, table.number, table.startedAt] })],
);

export const lease = leaseTable;
/** What the operator governs, and the newest of its leaders. */
export const governedObject = governedObjectTable;
export const operatorFence = operatorFenceTable;
export const eventBus = eventBusTable;
