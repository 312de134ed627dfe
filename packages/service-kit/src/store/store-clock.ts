import type { Sql } from "postgres";
import { pause } from "../concurrency/retry.ts";

const everyMs = 30_000;
/** Between two tries while the store is away. */
const againMs = 1_000;

/** A store's clock in milliseconds since 1970. Throws while the store is away. */
export interface TimeSource {
  time(): Promise<number>;
}

/**
 * The store's time, told from this process's monotonic clock: what is made here carries times that agree
 * with those the store sets itself, even where the machine's wall clock jumps.
 */
export class StoreClock {
  readonly #source: TimeSource;
  #offsetMs = Date.now() - performance.now();

  /** Of a PostgreSQL server, or of what else tells its time. */
  constructor(source: Sql | TimeSource) {
    this.#source = typeof source === "function" ? { time: () => timeOf(source) } : source;
  }

  /** Compares with the store, right to half a round trip. Throws while the store is away. */
  async synchronize(): Promise<void> {
    const askedAt = performance.now();
    const ms = await this.#source.time();
    this.#offsetMs = ms - (askedAt + performance.now()) / 2;
  }

  /** Compares for the first time, and from then on until stopped. With the store away it does not wait. */
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
    return new Date(this.nowMs());
  }

  /** The same in whole milliseconds since 1970. */
  nowMs(): number {
    return Math.floor(performance.now() + this.#offsetMs);
  }
}

async function timeOf(sql: Sql): Promise<number> {
  const [row] = await sql<{ ms: number }[]>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`;
  if (row === undefined) throw new Error("PostgreSQL told no time");
  return row.ms;
}
