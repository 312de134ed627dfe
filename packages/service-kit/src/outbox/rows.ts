import type { Sql } from "postgres";
import type { BusMessage } from "../bus/bus.ts";
import { outboxShards } from "./outbox.ts";

export interface OutgoingRow extends BusMessage {
  readonly id: string;
  readonly shard: number;
}

/** Above this the backlog is not counted to its end. */
const countLimit = 200_000;

/** The relay's statements on the outbox. */
export class OutboxRows {
  constructor(
    private readonly sql: Sql,
    private readonly leaseName: string,
    private readonly holder: string,
  ) {}

  /**
   * The oldest rows of each shard whose lease is this holder's by the store's clock. A shard is read from its
   * start each time, not from the last id seen, because ids become visible out of order.
   */
  async oldest(shards: readonly number[], limit: number): Promise<readonly OutgoingRow[]> {
    const each = Math.max(Math.ceil(limit / shards.length), 1);
    return this.sql<OutgoingRow[]>`
      select row.id, mine.shard, row.topic, row.key, row.envelope
        from unnest(${[...shards]}::smallint[]) as mine (shard)
        join lease on lease.name = ${`${this.leaseName}/`} || mine.shard
                  and lease.holder = ${this.holder} and lease.expires_at > now()
       cross join lateral (
               select id, topic, key, envelope from outbox
                where outbox.shard = mine.shard order by id limit ${each}) as row
       order by mine.shard, row.id`;
  }

  /** Removes rows the bus has; they may be gone already, when another relay sent them too. */
  async remove(rows: readonly OutgoingRow[]): Promise<void> {
    if (rows.length === 0) return;
    await this.sql`
      delete from outbox
       using unnest(${rows.map((row) => row.shard)}::smallint[],
                    ${rows.map((row) => row.id)}::bigint[]) as sent (shard, id)
       where outbox.shard = sent.shard and outbox.id = sent.id`;
  }

  /** How much waits in the given shards, and for how long. */
  async backlog(shards: readonly number[]): Promise<{ count: number; oldestSeconds: number }> {
    const [row] = await this.sql<{ count: number; oldest: number }[]>`
      select (select count(*)::int from (
                select 1 from outbox
                 where shard = any(${[...shards]}::smallint[]) limit ${countLimit}) as waiting
             ) as count,
             (select coalesce(extract(epoch from now() - min(first.created_at)), 0)::float8
                from unnest(${[...shards]}::smallint[]) as mine (shard)
               cross join lateral (
                 select created_at from outbox where outbox.shard = mine.shard order by id limit 1) as first
             ) as oldest`;
    return { count: row?.count ?? 0, oldestSeconds: row?.oldest ?? 0 };
  }
}

/** Of so few rows the ids say little, and counting them costs nothing. */
const alwaysCounted = 10_000;
/** Ids are not quite even between the shards, so that rows are counted from a little below the limit on. */
const countFromShare = 0.8;

/** How much waits in all shards together. */
export class OutboxSize {
  constructor(private readonly sql: Sql) {}

  /**
   * Waiting rows. Far below a large limit it is an estimate, by the ids between the oldest and the newest of
   * each shard; otherwise they are counted, up to the limit.
   */
  async upTo(limit: number): Promise<number> {
    if (limit <= alwaysCounted) return this.#count(limit);
    const [row] = await this.sql<{ estimate: number }[]>`
      select coalesce(sum(newest.id - oldest.id + 1), 0)::float8 / ${outboxShards}::integer as estimate
        from generate_series(0, ${outboxShards}::integer - 1) as every (shard)
       cross join lateral (
         select id from outbox
          where outbox.shard = every.shard::smallint order by id limit 1) as oldest
       cross join lateral (
         select id from outbox
          where outbox.shard = every.shard::smallint order by id desc limit 1) as newest`;
    const estimate = Math.ceil(row?.estimate ?? 0);
    return estimate < limit * countFromShare ? estimate : this.#count(limit);
  }

  async #count(limit: number): Promise<number> {
    const [counted] = await this.sql<{ count: number }[]>`
      select count(*)::int as count from (select 1 from outbox limit ${limit}) as waiting`;
    return counted?.count ?? 0;
  }
}
