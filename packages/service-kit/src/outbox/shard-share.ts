import type { Sql } from "postgres";
import { evenShare } from "../concurrency/even-share.ts";
import { acquireLeases, releaseLeases } from "../store/lease.ts";

export interface ShareOptions {
  readonly sql: Sql;
  /** Begins the names of the leases. */
  readonly name: string;
  readonly holder: string;
  readonly shardCount: number;
  readonly leaseSeconds: number;
}

/**
 * Divides shards evenly between the replicas that are alive, by leases in their database. A replica is alive
 * while its own lease lasts. Whoever holds more than its share gives the rest up, and who holds less takes
 * what is free.
 */
export class ShardShare {
  readonly #options: ShareOptions;
  #held: readonly number[] = [];
  /** By this process's steady clock, counted from before the store was asked. */
  #heldUntilMs = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: ShareOptions) {
    this.#options = options;
  }

  /** The shards held since the last round; none once their leases may have ended. */
  get held(): readonly number[] {
    return performance.now() < this.#heldUntilMs ? this.#held : [];
  }

  /** Whether other replicas may hold shards, so that they must be told of new rows. */
  get isShared(): boolean {
    return this.held.length < this.#options.shardCount;
  }

  /**
   * Extends, gives up and takes leases; call it again well before the leases end, while no batch is under
   * way.
   */
  round(): Promise<void> {
    return this.#inTurn(() => this.#divide());
  }

  async #divide(): Promise<void> {
    const { sql, holder, leaseSeconds, shardCount } = this.#options;
    await acquireLeases(sql, { holder, leaseSeconds, names: [this.#member(holder)] });
    const rows = await sql<{ name: string; holder: string; is_live: boolean }[]>`
      select name, holder, expires_at > now() as is_live
        from lease where name like ${`${this.#options.name}/%`}`;
    await this.#forgetMembers(rows.filter((row) => !row.is_live).map((row) => row.name));
    const live = rows.filter((row) => row.is_live);
    const members = live.filter((row) => row.name.startsWith(this.#member(""))).map((row) => row.name);
    const quota = evenShare(shardCount, members, this.#member(holder));
    const holders = new Map(live.map((row) => [row.name, row.holder]));
    const all = Array.from({ length: shardCount }, (_, shard) => shard);
    const mine = all.filter((shard) => holders.get(this.#shard(shard)) === holder);
    const free = all.filter((shard) => !holders.has(this.#shard(shard)));
    const wanted = [...mine.slice(0, quota), ...free.slice(0, Math.max(quota - mine.length, 0))];
    const surplus = mine.slice(quota);
    // From here on they are others': these are told of new rows, also before this one hears of the release.
    this.#held = this.#held.filter((shard) => !surplus.includes(shard));
    await releaseLeases(
      sql,
      holder,
      surplus.map((shard) => this.#shard(shard)),
    );
    await this.#acquire(wanted);
  }

  /** Extends what is held; it may run while a batch is under way. */
  extend(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#held.length > 0) await this.#acquire(this.#held);
    });
  }

  /** One after the other, so that none takes again what another has just given up. */
  #inTurn(run: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(run);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Gives every shard up until the next round; no batch may be under way. */
  release(): Promise<void> {
    return this.#inTurn(async () => {
      const names = this.#held.map((shard) => this.#shard(shard));
      this.#held = [];
      await releaseLeases(this.#options.sql, this.#options.holder, names);
    });
  }

  /** Gives everything up, so that the others need not wait. */
  async leave(): Promise<void> {
    const { sql, holder } = this.#options;
    await this.release();
    await sql`delete from lease where name = ${this.#member(holder)}`;
  }

  async #acquire(wanted: readonly number[]): Promise<void> {
    const { sql, holder, leaseSeconds } = this.#options;
    const askedAtMs = performance.now();
    const names = [this.#member(holder), ...wanted.map((shard) => this.#shard(shard))];
    const fences = await acquireLeases(sql, { holder, leaseSeconds, names });
    this.#held = wanted.filter((shard) => fences.has(this.#shard(shard)));
    this.#heldUntilMs = askedAtMs + leaseSeconds * 1_000;
  }

  /** Each start of a process is a member of its own, so those that ended are removed. */
  async #forgetMembers(ended: readonly string[]): Promise<void> {
    const names = ended.filter((name) => name.startsWith(this.#member("")));
    if (names.length === 0) return;
    await this.#options.sql`
      delete from lease where name = any(${names}::text[]) and expires_at <= now()`;
  }

  #shard(shard: number): string {
    return `${this.#options.name}/${shard}`;
  }

  #member(holder: string): string {
    return `${this.#options.name}/member/${holder}`;
  }
}
