import type { Sql } from "postgres";

/** The longest time without a booking between two moments, in milliseconds, by the ledger's own clock. */
export async function longestSilence(ledger: Sql, from: Date, to: Date): Promise<number> {
  const rows = await ledger<{ at: Date }[]>`
    select distinct created_at as at from transfer
     where created_at between ${from} and ${to} order by created_at`;
  const moments = [from, ...rows.map(({ at }) => at), to].map((at) => at.getTime());
  return moments.reduce((longest, at, index) => Math.max(longest, at - (moments[index - 1] ?? at)), 0);
}

const tickMs = 50;

/** Sums up how long this process itself stood still: on a machine that stops all of them, nothing is booked. */
export class OwnStalls {
  #lastMs = performance.now();
  #stalledMs = 0;
  readonly #timer = setInterval(() => this.#tick(), tickMs);

  /** Milliseconds altogether. */
  stop(): number {
    this.#tick();
    clearInterval(this.#timer);
    return Math.round(this.#stalledMs);
  }

  #tick(): void {
    const nowMs = performance.now();
    const lateMs = nowMs - this.#lastMs - tickMs;
    // Less is what timers are late by on any machine.
    if (lateMs > 500) this.#stalledMs += lateMs;
    this.#lastMs = nowMs;
  }
}
