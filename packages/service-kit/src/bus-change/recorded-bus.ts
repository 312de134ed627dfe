import { sql as fragment } from "drizzle-orm";
import { boolean, check, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import type { Sql } from "postgres";
import { retry } from "../concurrency/retry.ts";
import { ConfigError } from "../process/config.ts";
import type { Scope } from "../process/scope.ts";
import { isTransient } from "../store/database.ts";
import type { Logger } from "../telemetry/logging.ts";

export type BusName = "redis" | "kafka";

/**
 * Which bus the events of an app's database go over: one row, made at the app's first start. Each app with a
 * database exports it in its schema. While `changing_to` is set, nothing is sent from this database.
 */
export const eventBusTable = pgTable(
  "event_bus",
  {
    isOnly: boolean("is_only").primaryKey().default(true),
    bus: text("bus").$type<BusName>().notNull(),
    changingTo: text("changing_to").$type<BusName>(),
    recordedAt: timestamp("recorded_at", { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    check("event_bus_is_only", fragment`${table.isOnly}`),
    check("event_bus_known", fragment`${table.bus} in ('redis', 'kafka')`),
    check("event_bus_changing_to", fragment`${table.changingTo} in ('redis', 'kafka')`),
  ],
);

interface HoldToBus {
  readonly sql: Sql;
  readonly bus: BusName;
  readonly logger: Logger;
  readonly scope: Scope;
}

const askAgain = { firstMs: 200, maxMs: 2_000 };

/**
 * Holds an app to the bus of its database, and records it at the first start. Throws `ConfigError` when the
 * database names another one: what is still on that one would not be read any more. With PostgreSQL away it
 * is asked as soon as it is back, and the process ends itself then; until then its relay sends nothing.
 */
export async function holdToRecordedBus({ sql, bus, logger, scope }: HoldToBus): Promise<void> {
  try {
    return await compare(sql, bus);
  } catch (error) {
    if (!isTransient(error)) throw error;
  }
  const stopping = new AbortController();
  const later = retry(() => compare(sql, bus), isTransient, askAgain, stopping.signal).catch((error) => {
    if (stopping.signal.aborted) return;
    logger.fatal({ err: error }, "this process ends: its bus is not that of its database");
    process.kill(process.pid, "SIGTERM");
  });
  scope.defer("comparison with the recorded bus", () => {
    stopping.abort();
    return later;
  });
}

async function compare(sql: Sql, bus: BusName): Promise<void> {
  await sql`insert into event_bus (bus) values (${bus}) on conflict do nothing`;
  const [row] = await sql<{ bus: BusName }[]>`select bus from event_bus`;
  if (row === undefined || row.bus === bus) return;
  throw new ConfigError([
    `EVENT_BUS is ${bus}, but the events of this installation go over ${row.bus}, as its database records. ` +
      `A change of bus first empties the old one: ./payflow up --bus ${bus}`,
  ]);
}

/** Whether events of this database may be sent over this bus now; not while it changes, nor afterwards. */
export async function maySendOver(sql: Sql, bus: BusName): Promise<boolean> {
  const rows = await sql`select 1 from event_bus where bus <> ${bus} or changing_to is not null`;
  return rows.length === 0;
}
