import type { Database } from "@payflow/service-kit/store/database.ts";
import { sql } from "drizzle-orm";
import type { Transaction } from "../transaction.ts";

export interface Change {
  readonly number: number;
  /** The id of the key or tenant that changed. */
  readonly subject: string;
}

export interface PendingChanges {
  /** The number of the latest committed change. */
  readonly latest: number;
  readonly changes: readonly Change[];
}

/** The numbered list of what other processes must hear of. */
export type ChangeLog = ReturnType<typeof createChangeLog>;

/** The numbered changes of keys and tenants in PostgreSQL. */
export function createChangeLog(database: Database) {
  return {
    /**
     * Numbers a change within its own transaction. The counter's row stays locked until the commit, so that
     * numbers become visible in their order and without gaps.
     */
    async add(transaction: Transaction, subject: string): Promise<number> {
      const [row] = await transaction.execute<{ number: string }>(sql`
        with counted as (update change_counter set number = number + 1 returning number)
        insert into change (number, subject) select number, ${subject} from counted
        returning number`);
      if (row === undefined) throw new Error("the counter of changes is missing");
      return Number(row.number);
    },

    /** The changes after a number, oldest first, and the latest number, both of one moment. */
    async after(number: number, limit: number): Promise<PendingChanges> {
      const rows = await database.sql<{ latest: string; number: string | null; subject: string | null }[]>`
        select counter.number as latest, pending.number, pending.subject
          from change_counter counter
          left join lateral (
            select number, subject from change where number > ${number} order by number limit ${limit}
          ) pending on true
         order by pending.number`;
      const changes: Change[] = [];
      for (const row of rows) {
        if (row.number !== null && row.subject !== null) {
          changes.push({ number: Number(row.number), subject: row.subject });
        }
      }
      return { latest: Number(rows[0]?.latest ?? 0), changes };
    },

    /** Removes what was published long ago, a bounded number at a time. */
    async prune(limit: number): Promise<void> {
      await database.sql`
        delete from change where number in (
          select number from change
           where created_at < now() - interval '1 hour' order by created_at limit ${limit})`;
    },
  };
}
