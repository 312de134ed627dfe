import { bigint, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import type { Sql } from "postgres";

/**
 * One row per thing that a single process may do at a time. Each app that uses leases exports it in its
 * schema.
 */
export const leaseTable = pgTable("lease", {
  name: text("name").primaryKey(),
  holder: text("holder").notNull(),
  /** Grows with each change of holder: what the older holder still sends can be told apart and refused. */
  fence: bigint("fence", { mode: "number" }).notNull(),
  expiresAt: timestamp("expires_at", { withTimezone: true }).notNull(),
});

export interface LeaseRequest {
  readonly name: string;
  /** Unlike any other holder's: a process makes itself one with `newHolder`. */
  readonly holder: string;
  readonly leaseSeconds: number;
}

/**
 * A name for this process as a holder of leases, new at each start so that a restart is a change of holder.
 */
export function newHolder(service: string): string {
  return `${service}/${process.pid}/${crypto.randomUUID()}`;
}

/**
 * Takes the lease, or extends it where it is already held, and returns its fence; null while another holds
 * it.
 */
export async function acquireLease(sql: Sql, request: LeaseRequest): Promise<number | null> {
  const fences = await acquireLeases(sql, { ...request, names: [request.name] });
  return fences.get(request.name) ?? null;
}

/** Takes or extends several leases in one statement; the fences of those now held. Times are the store's. */
export async function acquireLeases(
  sql: Sql,
  request: Omit<LeaseRequest, "name"> & { readonly names: readonly string[] },
): Promise<Map<string, number>> {
  if (request.names.length === 0) return new Map();
  // Sorted names make two processes lock rows in the same order.
  const names = [...request.names].sort();
  const rows = await sql<{ name: string; fence: string }[]>`
    insert into lease as held (name, holder, fence, expires_at)
    select name, ${request.holder}, 1, now() + make_interval(secs => ${request.leaseSeconds})
      from unnest(${names}::text[]) as wanted (name)
    on conflict (name) do update
      set holder = excluded.holder,
          fence = held.fence + case when held.holder = excluded.holder then 0 else 1 end,
          expires_at = excluded.expires_at
      where held.holder = excluded.holder or held.expires_at <= now()
    returning name, fence`;
  return new Map(rows.map((row) => [row.name, Number(row.fence)]));
}

/** Extends a lease that is still this holder's under this fence; false when it was lost. */
export async function renewLease(sql: Sql, request: LeaseRequest & { fence: number }): Promise<boolean> {
  const rows = await sql`
    update lease set expires_at = now() + make_interval(secs => ${request.leaseSeconds})
     where name = ${request.name} and holder = ${request.holder} and fence = ${request.fence}
    returning name`;
  return rows.length === 1;
}

/**
 * Gives leases up at once, so that others need not wait for their end. Names held by others stay as they are.
 */
export async function releaseLeases(sql: Sql, holder: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await sql`
    update lease set holder = '', expires_at = '-infinity'
     where name = any(${[...names]}::text[]) and holder = ${holder}`;
}
