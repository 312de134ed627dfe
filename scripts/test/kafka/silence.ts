import type { Truth } from "../platform/truth.ts";
import type { ThreeBrokers } from "./brokers.ts";

const stages = ["accepted", "settled", "published", "booked"] as const;

/** What takes longer only when something stands still; a settlement may wait for a processor's answer. */
const steps = [
  ["settled", "published"],
  ["published", "booked"],
] as const;

/** When a payment came to each stage, in milliseconds since 1970, by the clock of the store that has it. */
type Passage = Readonly<Record<(typeof stages)[number], number>>;

/** Something that was done to the installation. */
interface Deed {
  readonly atMs: number;
  readonly text: string;
}

interface Silence {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The way of every payment whose money was booked. */
export async function passagesOf(truth: Truth, brokers: ThreeBrokers): Promise<Passage[]> {
  const accepted = await truth.payment<{ id: string; at: Date }[]>`select id, created_at as at from payment`;
  const booked = await truth.ledger<{ payment_id: string; at: Date }[]>`
    select payment_id, created_at as at from transfer where type = 'capture'`;
  const acceptedAt = new Map(accepted.map(({ id, at }) => [id, at.getTime()]));
  const events = new Map<string, Pick<Passage, "settled" | "published">>();
  for (const { event, storedMs: published } of await brokers.eventsOf("payment.settled")) {
    // A relay that had no answer sends again; the first time counts.
    if (events.has(event.key)) continue;
    events.set(event.key, { settled: Date.parse(event.occurred_at), published });
  }
  return booked.flatMap(({ payment_id: id, at }) => {
    const event = events.get(id);
    const start = acceptedAt.get(id);
    if (event === undefined || start === undefined) return [];
    return [{ accepted: start, ...event, booked: at.getTime() }];
  });
}

/** Watches a load: what was done to the installation meanwhile, and how long nothing was booked. */
export class SilenceWatch {
  readonly #fromMs = Date.now();
  readonly #deeds: Deed[] = [];

  /** Remembers when this began and ended. */
  async during(what: string, run: () => Promise<unknown>): Promise<void> {
    this.#deeds.push({ atMs: Date.now(), text: `${what} begins` });
    await run();
    this.#deeds.push({ atMs: Date.now(), text: `${what} ends` });
  }

  /** The longest time without a booking until now in milliseconds, and in which stage it lay. */
  async longest(read: () => Promise<Passage[]>): Promise<{ ms: number; story: string }> {
    const toMs = Date.now();
    const passages = await read();
    const silence = longestSilence(passages, "booked", { fromMs: this.#fromMs, toMs });
    return { ms: silence.toMs - silence.fromMs, story: this.#story(passages, silence) };
  }

  #story(passages: readonly Passage[], silence: Silence): string {
    const { fromMs, toMs } = silence;
    const at = (ms: number) => `${((ms - this.#fromMs) / 1_000).toFixed(2)} s`;
    const lines = stages.map((stage) => {
      const longest = longestSilence(passages, stage, silence);
      const count = passages.filter((one) => one[stage] > fromMs && one[stage] < toMs).length;
      return `  ${stage}: ${count} then, with ${longest.toMs - longest.fromMs} ms of silence at ${at(longest.fromMs)}`;
    });
    const next = passages.filter(({ booked }) => booked === toMs);
    const ways = next.map((one) => stages.map((stage) => `${stage} at ${at(one[stage])}`).join(", "));
    const waits = steps.map(([before, after]) => {
      const [slowest] = passages
        .filter((one) => one[before] > this.#fromMs)
        .toSorted((left, right) => right[after] - right[before] - (left[after] - left[before]));
      if (slowest === undefined) return `  none was ${before}`;
      const waitedMs = slowest[after] - slowest[before];
      return `  longest wait from ${before} to ${after}: ${waitedMs} ms, at ${at(slowest[before])}`;
    });
    const deeds = this.#deeds
      .filter(({ atMs }) => atMs > fromMs - 3_000 && atMs < toMs)
      .map(({ atMs, text }) => `  ${at(atMs)} ${text}`);
    return [
      `longest time without a booking: ${toMs - fromMs} ms, from ${at(fromMs)} to ${at(toMs)}`,
      ...lines,
      ...ways.slice(0, 3).map((way) => `  what ended it: ${way}`),
      ...deeds,
      ...waits,
    ].join("\n");
  }
}

/** The longest time within a span in which no payment came to this stage. */
function longestSilence(
  passages: readonly Passage[],
  stage: (typeof stages)[number],
  span: Silence,
): Silence {
  const moments = passages
    .map((passage) => passage[stage])
    .filter((ms) => ms > span.fromMs && ms < span.toMs)
    .sort((left, right) => left - right);
  let longest: Silence = { fromMs: span.fromMs, toMs: span.fromMs };
  let lastMs = span.fromMs;
  for (const ms of [...moments, span.toMs]) {
    if (ms - lastMs > longest.toMs - longest.fromMs) longest = { fromMs: lastMs, toMs: ms };
    lastMs = ms;
  }
  return longest;
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
