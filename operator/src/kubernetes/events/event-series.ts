/** What happened to whom, apart from how often. */
export interface Happening {
  readonly type: "Normal" | "Warning";
  /** One word in capitals, for programs. */
  readonly reason: string;
  /** What was being done, in one word. */
  readonly action: string;
  /** A sentence, for people. */
  readonly note: string;
}

/** The same happening again and again, which is one Event with a count. */
export interface Series {
  readonly name: string;
  readonly count: number;
  readonly lastAt: number;
}

export type EventWrite =
  | { readonly verb: "create"; readonly key: string; readonly series: Series }
  | { readonly verb: "count"; readonly key: string; readonly series: Series };

interface Known extends Series {
  readonly writtenAt: number;
  readonly writtenCount: number;
}

interface Allowance {
  readonly tokens: number;
  readonly at: number;
}

/** A happening that was not seen for so long begins a new Event; client-go's choice. */
const forgottenMs = 6 * 60_000;
/** A count is written at most so often. */
const countGapMs = 60_000;
/** New Events of one object: so many at once, and one more in so long; client-go's choice. */
const objectBurst = 25;
const objectGapMs = 5 * 60_000;

/** Decides what of all that happens becomes an Event. Time comes from the caller alone. */
export class EventSeries {
  readonly #known = new Map<string, Known>();
  readonly #allowances = new Map<string, Allowance>();
  readonly #newName: () => string;

  constructor(newName: () => string) {
    this.#newName = newName;
  }

  /** The write that this happening asks for; undefined where it is counted only, or one too many. */
  note(object: string, happening: Happening, now: number): EventWrite | undefined {
    const key = JSON.stringify([object, happening.type, happening.reason, happening.action, happening.note]);
    const known = this.#known.get(key);
    if (known === undefined || now - known.lastAt >= forgottenMs) {
      if (!this.#allows(object, now)) return undefined;
      const series = { name: this.#newName(), count: 1, lastAt: now };
      this.#known.set(key, { ...series, writtenAt: now, writtenCount: 1 });
      return { verb: "create", key, series };
    }
    this.#known.set(key, { ...known, count: known.count + 1, lastAt: now });
    return now - known.writtenAt >= countGapMs ? this.#write(key, now) : undefined;
  }

  /** Counts that have waited long enough to be written, and the keys of what no longer happens. */
  due(now: number): { readonly writes: EventWrite[]; readonly forgotten: string[] } {
    const writes: EventWrite[] = [];
    const forgotten: string[] = [];
    for (const [key, known] of this.#known) {
      const isWritten = known.count === known.writtenCount;
      if (!isWritten && now - known.writtenAt >= countGapMs) writes.push(this.#write(key, now));
      if (isWritten && now - known.lastAt >= forgottenMs) {
        this.#known.delete(key);
        forgotten.push(key);
      }
    }
    for (const [object, allowance] of this.#allowances) {
      if (this.#refilled(allowance, now) >= objectBurst) this.#allowances.delete(object);
    }
    return { writes, forgotten };
  }

  #write(key: string, now: number): EventWrite {
    // Only keys that are in the map come here.
    const known = this.#known.get(key) as Known;
    this.#known.set(key, { ...known, writtenAt: now, writtenCount: known.count });
    const { name, count, lastAt } = known;
    return { verb: "count", key, series: { name, count, lastAt } };
  }

  #allows(object: string, now: number): boolean {
    const known = this.#allowances.get(object) ?? { tokens: objectBurst, at: now };
    const tokens = this.#refilled(known, now);
    if (tokens < 1) return false;
    this.#allowances.set(object, { tokens: tokens - 1, at: now });
    return true;
  }

  #refilled(allowance: Allowance, now: number): number {
    return Math.min(objectBurst, allowance.tokens + (now - allowance.at) / objectGapMs);
  }
}
