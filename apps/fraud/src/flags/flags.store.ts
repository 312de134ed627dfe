import { firstIdAt } from "@payflow/contracts/ids.ts";
import type { Database } from "@payflow/service-kit/store/database.ts";
import { and, desc, eq, lt } from "drizzle-orm";
import type { Action, PolicyOwner } from "../policies/policy.ts";
import { flag } from "../schema.ts";

export type Flag = typeof flag.$inferSelect;

export interface FlagsFilter {
  readonly decision: Action | undefined;
  readonly paymentId: string | undefined;
  /** Only events older than this one. */
  readonly before: string | undefined;
  readonly limit: number;
}

export interface FlagsStore {
  /** A tenant's flags in a mode, newest first. */
  list(owner: PolicyOwner, filter: FlagsFilter): Promise<readonly Flag[]>;
  /** Deletes up to `limit` flags more than so many days old; how many there were. */
  deleteOld(keptDays: number, limit: number): Promise<number>;
}

/** Flags in PostgreSQL. */
export function flagsStore(database: Pick<Database, "db" | "sql">): FlagsStore {
  return {
    list: ({ tenantId, mode }, filter) =>
      database.db
        .select()
        .from(flag)
        .where(
          and(
            eq(flag.tenantId, tenantId),
            eq(flag.mode, mode),
            filter.before === undefined ? undefined : lt(flag.eventId, filter.before),
            filter.decision === undefined ? undefined : eq(flag.decision, filter.decision),
            filter.paymentId === undefined ? undefined : eq(flag.paymentId, filter.paymentId),
          ),
        )
        .orderBy(desc(flag.eventId))
        .limit(filter.limit),
    async deleteOld(keptDays, limit) {
      const beforeId = firstIdAt("pay", Date.now() - keptDays * 86_400_000);
      const deleted = await database.sql`
        delete from flag where (payment_id, is_late, rule_triggered) in (
          select payment_id, is_late, rule_triggered from flag
           where payment_id < ${beforeId} and flagged_at < now() - make_interval(days => ${keptDays})
           order by payment_id limit ${limit})`;
      return deleted.count;
    },
  };
}
