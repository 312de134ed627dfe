import { getTableColumns } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";

const mappings = new WeakMap<PgTable, (raw: Record<string, unknown>) => Record<string, unknown>>();

/**
 * A row as the driver gives it (names of the database, bigints and times as text), as the schema types it.
 * For statements that the query builder cannot write; columns beyond the table's are left out.
 */
export function toRow<T extends PgTable>(table: T, raw: Record<string, unknown>): T["$inferSelect"] {
  let mapping = mappings.get(table);
  if (mapping === undefined) {
    const columns = Object.entries(getTableColumns(table));
    mapping = (row) => {
      const typed: Record<string, unknown> = {};
      for (const [name, column] of columns) {
        const value = row[column.name];
        typed[name] = value === null || value === undefined ? null : column.mapFromDriverValue(value);
      }
      return typed;
    };
    mappings.set(table, mapping);
  }
  // Each column was mapped by its own definition, from which the type is inferred too.
  return mapping(raw) as T["$inferSelect"];
}
