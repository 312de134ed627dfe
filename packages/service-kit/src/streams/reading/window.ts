/** Where a group stands in a partition. */
export interface Standing {
  /** The last entry before which, and which itself, everything is done. */
  readonly position: string;
  /** How many entries that makes since the stream's beginning; null where Redis cannot tell. */
  readonly entriesRead: number | null;
}

/** A change of what is done, to be stored first and applied then. */
export interface Progress extends Standing {
  readonly hasMoved: boolean;
  /** Entries now done behind which others are not. */
  readonly ahead: readonly string[];
  /** Entries that were done ahead and that the position has passed now. */
  readonly passed: readonly string[];
}

/**
 * The entries between a group's position and the last one read. Consumers may finish them in any order; the
 * position moves over those without a gap, and the others are remembered one by one.
 */
export class Window {
  #standing: Standing;
  #lastRead: string;
  /** Entry id -> whether it is done, in the order of the stream. */
  readonly #entries = new Map<string, boolean>();
  readonly #storedAhead: Set<string>;

  constructor(standing: Standing, ahead: Iterable<string>) {
    this.#standing = standing;
    this.#lastRead = standing.position;
    this.#storedAhead = new Set(ahead);
  }

  /** From here on entries are to be read. */
  get lastRead(): string {
    return this.#lastRead;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes note of an entry as read. Answers whether it is to be handled: not when it is done already. */
  admit(id: string, isForOthers: boolean): boolean {
    const isDone = isForOthers || this.#storedAhead.has(id);
    this.#entries.set(id, isDone);
    this.#lastRead = id;
    return !isDone;
  }

  /** What is to be stored so that these entries are done; those that are not open count for nothing. */
  plan(ids: readonly string[]): Progress {
    const finished = new Set(ids.filter((id) => this.#entries.get(id) === false));
    let { position, entriesRead } = this.#standing;
    let count = 0;
    const passed: string[] = [];
    for (const [id, isDone] of this.#entries) {
      if (!isDone && !finished.has(id)) break;
      position = id;
      count += 1;
      finished.delete(id);
      if (this.#storedAhead.has(id)) passed.push(id);
    }
    if (entriesRead !== null) entriesRead += count;
    return { position, entriesRead, hasMoved: count > 0, ahead: [...finished], passed };
  }

  /** Takes over what has been stored. */
  apply(progress: Progress): void {
    for (const id of progress.ahead) {
      this.#entries.set(id, true);
      this.#storedAhead.add(id);
    }
    for (const id of progress.passed) this.#storedAhead.delete(id);
    if (progress.hasMoved) {
      for (const id of this.#entries.keys()) {
        this.#entries.delete(id);
        if (id === progress.position) break;
      }
    }
    this.#standing = { position: progress.position, entriesRead: progress.entriesRead };
  }
}
