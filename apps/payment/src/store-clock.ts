import type { Sql } from "postgres";

/**
 * The store's time, told from this process's monotonic clock: rows made here carry times that agree with those
 * PostgreSQL sets itself, even where the machine's wall clock jumps.
 */
export class StoreClock {
  readonly #sql: Sql;
  #offsetMs = Date.now() - performance.now();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Compares with the store, right to half a round trip. Throws while PostgreSQL is away. */
  async synchronize(): Promise<void> {
    const askedAt = performance.now();
    const [row] = await this.#sql<{ ms: number }[]>`
      select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`;
    if (row !== undefined) this.#offsetMs = row.ms - (askedAt + performance.now()) / 2;
  }

  now(): Date {
    return new Date(Math.floor(performance.now() + this.#offsetMs));
  }
}
