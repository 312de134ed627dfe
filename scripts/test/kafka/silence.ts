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
  readonly #stalls = new OwnStalls();

  /** Remembers when this began and ended. */
  async during(what: string, run: () => Promise<unknown>): Promise<void> {
    this.#deeds.push({ atMs: Date.now(), text: `${what} begins` });
    await run();
    this.#deeds.push({ atMs: Date.now(), text: `${what} ends` });
  }

  /**
   * Ends the watch. The longest time without a booking, less what this process itself stood still in it, and
   * in which stage it lay.
   */
  async end(read: () => Promise<Passage[]>): Promise<{ ms: number; story: string }> {
    this.#stalls.stop();
    const toMs = Date.now();
    const passages = await read();
    const ownMs = (one: Silence) => lengthOf(one) - this.#stalls.within(one);
    const silence = longestSilence(passages, "booked", { fromMs: this.#fromMs, toMs }, ownMs);
    const stalledMs = this.#stalls.within(silence);
    const story = `${this.#story(passages, silence)}\n  in it this process stood still for ${stalledMs} ms`;
    return { ms: ownMs(silence), story };
  }

  #story(passages: readonly Passage[], silence: Silence): string {
    const { fromMs, toMs } = silence;
    const at = (ms: number) => `${((ms - this.#fromMs) / 1_000).toFixed(2)} s`;
    const lines = stages.map((stage) => {
      const longest = longestSilence(passages, stage, silence);
      const count = passages.filter((one) => one[stage] > fromMs && one[stage] < toMs).length;
      return `  ${stage}: ${count} then, with ${lengthOf(longest)} ms of silence at ${at(longest.fromMs)}`;
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
      `longest time without a booking: ${lengthOf(silence)} ms, from ${at(fromMs)} to ${at(toMs)}`,
      ...lines,
      ...ways.slice(0, 3).map((way) => `  what ended it: ${way}`),
      ...deeds,
      ...waits,
    ].join("\n");
  }
}

const lengthOf = ({ fromMs, toMs }: Silence) => toMs - fromMs;

/** The longest time within a span in which no payment came to this stage, as `measure` has it. */
function longestSilence(
  passages: readonly Passage[],
  stage: (typeof stages)[number],
  span: Silence,
  measure = lengthOf,
): Silence {
  const moments = passages
    .map((passage) => passage[stage])
    .filter((ms) => ms > span.fromMs && ms < span.toMs)
    .sort((left, right) => left - right);
  const ends = [...moments, span.toMs];
  const silences = ends.map((toMs, index) => ({ fromMs: moments[index - 1] ?? span.fromMs, toMs }));
  return silences.reduce((longest, one) => (measure(one) > measure(longest) ? one : longest));
}

const tickMs = 50;

/** Notices when this process itself stood still: on a machine that stops all of them, nothing is booked. */
class OwnStalls {
  readonly #stalls: Silence[] = [];
  #lastMs = Date.now();
  readonly #timer = setInterval(() => this.#tick(), tickMs);

  stop(): void {
    this.#tick();
    clearInterval(this.#timer);
  }

  /** Milliseconds of it within a span. */
  within({ fromMs, toMs }: Silence): number {
    const overlaps = this.#stalls.map((one) => Math.min(one.toMs, toMs) - Math.max(one.fromMs, fromMs));
    return overlaps.reduce((sum, ms) => sum + Math.max(ms, 0), 0);
  }

  #tick(): void {
    const nowMs = Date.now();
    // Less is what timers are late by on any machine.
    if (nowMs - this.#lastMs - tickMs > 500)
      this.#stalls.push({ fromMs: this.#lastMs + tickMs, toMs: nowMs });
    this.#lastMs = nowMs;
  }
}
