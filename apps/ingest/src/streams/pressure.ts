import { FairShare } from "./fair-share.ts";

/** Shares of memory, seconds and events from which on less is taken, and from which on nothing. */
export interface Marks {
  readonly soft: number;
  readonly hard: number;
}

export interface PressureMarks {
  /** Of Redis's memory. */
  readonly memory: Marks;
  /** Events that wait in this process to be stored. */
  readonly queued: Marks;
  /** Age of the oldest event that a registered group has not read. It alone never refuses everybody. */
  readonly unreadSeconds: Pick<Marks, "soft">;
}

/** On a Redis shared with the bus more is left to it: the relay goes on up to 90 %. */
export function memoryMarks(isShared: boolean): Marks {
  return isShared ? { soft: 0.5, hard: 0.6 } : { soft: 0.7, hard: 0.8 };
}

export type PressureLevel = "none" | "soft" | "hard";

/** Whether events are taken, asked for each request; it costs next to nothing. */
export interface Pressure {
  /** `soft` refuses tenants above their share with 429, `hard` everybody with 503. */
  readonly level: PressureLevel;
  /** What a refused caller is told to wait. */
  readonly retryAfterSeconds: number;
  /** Whether to refuse this tenant's request: beyond its share at the soft mark, or its parking is full. */
  isAbove(tenantId: string): boolean;
  /** A tenant has sent events. Called for all of them, also for those refused then. */
  note(tenantId: string, events: number): void;
}

/** What is measured four times a second. */
export interface Measured {
  readonly memory: number;
  readonly queued: number;
  readonly unreadSeconds: number;
  /** Events a second that the slowest group is done with, and that are stored, both over all processes. */
  readonly drainedPerSecond: number;
  readonly storedPerSecond: number;
  readonly elapsedMs: number;
}

/** A level is left only this far below its mark, so that it does not flap. */
const releasedAt = 0.95;
/** Even while nothing is drained this part of what is sent is taken, so that only the hard mark stops all. */
const leastPart = 0.5;

const rank = { none: 0, soft: 1, hard: 2 } as const;

/** Judges what was measured; it does no measuring itself. */
export class StoragePressure implements Pressure {
  readonly #marks: PressureMarks;
  readonly #share = new FairShare();
  #parkingFull: ReadonlySet<string> = new Set();
  #level: PressureLevel = "none";
  #memory = 0;

  constructor(marks: PressureMarks) {
    this.#marks = marks;
  }

  get level(): PressureLevel {
    return this.#level;
  }

  /** The share of Redis's memory that was last measured. */
  get memory(): number {
    return this.#memory;
  }

  get retryAfterSeconds(): number {
    return this.#level === "hard" ? 5 : 2;
  }

  isAbove(tenantId: string): boolean {
    if (this.#parkingFull.has(tenantId)) return true;
    return this.#level === "soft" && this.#share.isAbove(tenantId);
  }

  note(tenantId: string, events: number): void {
    this.#share.note(tenantId, events);
  }

  /** The tenants whose parking has no room left. */
  setParkingFull(tenants: ReadonlySet<string>): void {
    this.#parkingFull = tenants;
  }

  /** Whether this share of memory leads to refusals, or keeps them up. */
  wouldRefuse(memory: number): boolean {
    return judge(memory, this.#marks.memory, this.#level) !== "none";
  }

  /** Takes over what was measured; returns whether the level has changed. */
  observe(measured: Measured): boolean {
    const before = this.#level;
    this.#memory = measured.memory;
    const { memory, queued, unreadSeconds } = this.#marks;
    const levels = [
      judge(measured.memory, memory, before),
      judge(measured.queued, queued, before),
      judge(measured.unreadSeconds, { ...unreadSeconds, hard: Number.POSITIVE_INFINITY }, before),
    ];
    this.#level = levels.reduce((worst, level) => (rank[level] > rank[worst] ? level : worst));
    this.#share.pass(measured.elapsedMs);
    this.#share.divide(this.#level === "none" ? Number.POSITIVE_INFINITY : this.#capacity(measured));
    return this.#level !== before;
  }

  /** This process's part of what the groups are done with, by its part of what is stored. */
  #capacity({ drainedPerSecond, storedPerSecond }: Measured): number {
    const { total } = this.#share;
    const part = storedPerSecond > 0 ? Math.min(total / storedPerSecond, 1) : 1;
    return Math.max(drainedPerSecond * part, total * leastPart);
  }
}

function judge(value: number, marks: Marks, before: PressureLevel): PressureLevel {
  const isAt = (level: "soft" | "hard") =>
    value >= marks[level] * (rank[before] >= rank[level] ? releasedAt : 1);
  if (isAt("hard")) return "hard";
  return isAt("soft") ? "soft" : "none";
}
