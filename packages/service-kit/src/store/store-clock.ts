import type { Sql } from "postgres";
import { pause } from "../work/retry.ts";

const everyMs = 30_000;
/** Between two tries while PostgreSQL is away. */
const againMs = 1_000;

/**
 * The store's time, told from this process's monotonic clock: rows made here carry times that agree with
 * those PostgreSQL sets itself, even where the machine's wall clock jumps.
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

  /** Compares for the first time, and from then on until stopped. With PostgreSQL away it does not wait. */
  async start(): Promise<{ stop(): Promise<void> }> {
    await this.synchronize().catch(() => {});
    const stopping = new AbortController();
    const running = this.#keepComparing(stopping.signal);
    return {
      async stop() {
        stopping.abort();
        await running;
      },
    };
  }

  async #keepComparing(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isCompared = await this.synchronize().then(
        () => true,
        () => false,
      );
      await pause(isCompared ? everyMs : againMs, signal);
    }
  }

  now(): Date {
    return new Date(Math.floor(performance.now() + this.#offsetMs));
  }
}
