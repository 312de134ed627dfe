import type { Mode, Scope } from "@payflow/contracts/access.ts";
import type { DeletionPolicy, TenantMode } from "@payflow/contracts/internal-tenant.ts";
import { eventBusTable } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { governedObjectTable, operatorFenceTable } from "@payflow/service-kit/governing/governed.ts";
import { outboxTable } from "@payflow/service-kit/outbox/outbox.ts";
import { byteText, instant, wholeNumber } from "@payflow/service-kit/store/columns.ts";
import { leaseTable } from "@payflow/service-kit/store/lease.ts";
import { sql } from "drizzle-orm";
import { boolean, check, customType, index, integer, pgTable } from "drizzle-orm/pg-core";

/** The relay sends each shard of the outbox under a lease. */
export const lease = leaseTable;
export const eventBus = eventBusTable;
export const outbox = outboxTable;
/** What the operator governs, and the newest of its leaders. */
export const governedObject = governedObjectTable;
export const operatorFence = operatorFenceTable;

const texts = customType<{ data: string[]; driverData: string[] }>({ dataType: () => "text[]" });

export const tenant = pgTable(
  "tenant",
  {
    tenantId: byteText("tenant_id").primaryKey(),
    name: byteText("name").notNull(),
    email: byteText("email").notNull(),
    status: byteText("status").$type<"active" | "suspended">().notNull().default("active"),
    requestsPerSecond: integer("requests_per_second").notNull(),
    burst: integer("burst").notNull(),
    eventsPerSecond: integer("events_per_second").notNull(),
    monthlyEvents: wholeNumber("monthly_events"),
    maxPaymentAmount: wholeNumber("max_payment_amount"),
    /** The modes it has keys in, and its currency; they never change. */
    mode: byteText("mode").$type<TenantMode>().notNull().default("both"),
    currency: byteText("currency"),
    managedBy: byteText("managed_by").$type<"kubernetes">(),
    deletionPolicy: byteText("deletion_policy").$type<DeletionPolicy>(),
    /** How it was ended; `closing` until nothing can use its keys any more, then `purged`. */
    ended: byteText("ended").$type<"closing" | "archived" | "purged">(),
    endedAt: instant("ended_at"),
    /** The number of the latest change that keys' records must show. */
    version: wholeNumber("version").notNull().default(0),
    createdAt: instant("created_at").notNull().defaultNow(),
    updatedAt: instant("updated_at").notNull().defaultNow(),
  },
  () => [
    check("tenant_status", sql`status in ('active', 'suspended')`),
    check("tenant_mode", sql`mode in ('test', 'live', 'both')`),
    check("tenant_managed_by", sql`managed_by in ('kubernetes')`),
    check("tenant_ended", sql`ended in ('closing', 'archived', 'purged')`),
    check("tenant_limits", sql`requests_per_second > 0 and burst > 0 and events_per_second > 0`),
  ],
);
export type TenantRow = typeof tenant.$inferSelect;

/** What a key may do. The key's value changes when it is rotated, its id and rights stay. */
export const apiKey = pgTable(
  "api_key",
  {
    keyId: byteText("key_id").primaryKey(),
    tenantId: byteText("tenant_id")
      .notNull()
      .references(() => tenant.tenantId),
    mode: byteText("mode").$type<Mode>().notNull(),
    name: byteText("name").notNull(),
    scopes: texts("scopes").$type<Scope[]>().notNull(),
    /** Of the present value, for people to tell keys apart. */
    prefix: byteText("prefix").notNull(),
    last4: byteText("last4").notNull(),
    expiresAt: instant("expires_at"),
    /** When the value before the latest rotation ends. */
    previousExpiresAt: instant("previous_expires_at"),
    revokedAt: instant("revoked_at"),
    lastUsedAt: instant("last_used_at"),
    managedBy: byteText("managed_by").$type<"kubernetes">(),
    version: wholeNumber("version").notNull().default(0),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    index("api_key_governed").on(table.tenantId, table.keyId).where(sql`managed_by is not null`),
    check("api_key_managed_by", sql`managed_by in ('kubernetes')`),
    index("api_key_list").on(table.tenantId, table.mode, table.keyId).where(sql`revoked_at is null`),
    check("api_key_mode", sql`mode in ('live', 'test')`),
  ],
);
export type ApiKeyRow = typeof apiKey.$inferSelect;

/** By what a key is recognized: HMAC-SHA-256, under a secret of that version, over the SHA-256 of the key. */
export const apiKeyValue = pgTable(
  "api_key_value",
  {
    storedValue: byteText("stored_value").primaryKey(),
    keyId: byteText("key_id")
      .notNull()
      .references(() => apiKey.keyId),
    secretVersion: integer("secret_version").notNull(),
    /** The end of the overlap, for a value that was rotated away. */
    endsAt: instant("ends_at"),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [index("api_key_value_key").on(table.keyId)],
);

/** One row: its lock gives changes their numbers in the order of their commits, without gaps. */
export const changeCounter = pgTable(
  "change_counter",
  {
    only: boolean("only").primaryKey().default(true),
    number: wholeNumber("number").notNull().default(0),
  },
  () => [check("change_counter_only", sql`"only"`)],
);

/** What other processes must hear of within a second: the key or tenant that changed. Kept for an hour. */
export const change = pgTable(
  "change",
  {
    number: wholeNumber("number").primaryKey(),
    subject: byteText("subject").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [index("change_age").on(table.createdAt)],
);
