import { checkEvent, type EventEnvelope, type Topic } from "@payflow/contracts/events.ts";
import { sql } from "drizzle-orm";
import { bigint, pgTable, primaryKey, smallint, text, timestamp } from "drizzle-orm/pg-core";
import type { ISql } from "postgres";

/** Rows are spread over this many shards by their key; a shard is sent by one relay at a time. */
export const outboxShards = 16;

/** The channel on which a committed row may be announced. The relays poll besides. */
export const outboxChannel = "outbox";

/**
 * Events that were committed together with the change they tell of, until the bus has them. Each producing
 * app exports it in its schema. `shard` is computed by the database: insert topic, key and envelope alone.
 */
export const outboxTable = pgTable(
  "outbox",
  {
    id: bigint("id", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
    shard: smallint("shard").notNull().generatedAlwaysAs(sql`(hashtext("key") & 15)::smallint`),
    topic: text("topic").notNull(),
    key: text("key").notNull(),
    /** The JSON text exactly as it is sent. */
    envelope: text("envelope").notNull(),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.shard, table.id] })],
);

/** What a transaction inserts for an event. */
export interface OutboxRow {
  readonly topic: Topic;
  readonly key: string;
  readonly envelope: string;
}

/**
 * The row of an event, checked against its schema before the transaction can commit it. Throws when it is
 * malformed.
 */
export function outboxRow(event: EventEnvelope): OutboxRow {
  checkEvent(event);
  return { topic: event.type, key: event.key, envelope: JSON.stringify(event) };
}

/**
 * Inserts events within the caller's transaction, in their order. Hot paths may insert `outboxRow` values by
 * SQL of their own; rows of one key must then be inserted under that key's row lock.
 */
export async function insertOutbox(transaction: ISql, events: readonly EventEnvelope[]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map(outboxRow);
  await transaction`
    insert into outbox (topic, key, envelope)
    select topic, key, envelope
      from unnest(${rows.map((row) => row.topic)}::text[],
                  ${rows.map((row) => row.key)}::text[],
                  ${rows.map((row) => row.envelope)}::text[])
           with ordinality as row (topic, key, envelope, position)
     order by position`;
}
