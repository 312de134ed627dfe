import { byteText } from "@payflow/service-kit/store/columns.ts";
import { sql } from "drizzle-orm";
import { bigint, boolean, check, index, integer, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/**
 * The simulated processor's journal of charges: one row for each key ever used to authorize, with what became
 * of it. `calls` counts how often the key was used; only the first had an effect.
 */
export const charge = pgTable(
  "charge",
  {
    key: byteText("key").primaryKey(),
    amount: bigint("amount", { mode: "number" }).notNull(),
    currency: text("currency").notNull(),
    paymentMethod: text("payment_method").notNull(),
    isCapture: boolean("is_capture").notNull(),
    /** Null when it went well. */
    errorCode: text("error_code"),
    calls: integer("calls").notNull().default(1),
    recordedAt: timestamp("recorded_at", { withTimezone: true }).notNull().defaultNow(),
  },
  () => [check("charge_amount", sql`amount > 0`)],
);

/** Captures, voids and refunds of a charge, in the same way. */
export const followUp = pgTable(
  "follow_up",
  {
    key: text("key").primaryKey(),
    chargeKey: byteText("charge_key").notNull(),
    action: text("action").$type<"capture" | "void" | "refund">().notNull(),
    amount: bigint("amount", { mode: "number" }).notNull(),
    errorCode: text("error_code"),
    calls: integer("calls").notNull().default(1),
    recordedAt: timestamp("recorded_at", { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    index("follow_up_charge").on(table.chargeKey),
    check("follow_up_action", sql`action in ('capture', 'void', 'refund')`),
  ],
);
