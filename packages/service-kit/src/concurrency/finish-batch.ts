import { type Backoff, backoffMs, pause } from "./retry.ts";

/** One entry of a partition, as read. */
export interface Item {
  /** Its place in the partition. */
  readonly position: string;
  /** Entries of one key are handled in order. */
  readonly key: string;
}

/** What is remembered of an entry that failed, so that a crash does not start its tries anew. */
export interface Failure {
  readonly tries: number;
  readonly reason: string;
  readonly firstFailedAt: string;
  readonly lastFailedAt: string;
  /** Set where a buried entry may be read again. */
  readonly isBuried?: boolean;
}

/**
 * Where a partition's failures are kept. Methods throw `LeaseLost` once another replica reads the partition.
 */
export interface FailureLog<I extends Item> {
  /** By position. */
  load(): Promise<ReadonlyMap<string, Failure>>;
  record(item: I, failure: Failure): Promise<void>;
  /** Appends the entry to the dead letters and remembers that. */
  bury(item: I, failure: Failure): Promise<void>;
}

/** The partition is read by another replica now. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

/** An entry that no try can mend: it is buried after the first. */
export class HopelessEntry extends Error {
  override readonly name: string = "HopelessEntry";
}

export interface BatchWork<I extends Item> {
  readonly items: readonly I[];
  readonly handle: (items: readonly I[]) => Promise<void>;
  readonly failures: FailureLog<I>;
  readonly isTransient: (error: unknown) => boolean;
  /** Told of each error: an event's own, or one that passes. */
  readonly onError: (error: unknown, kind: "event" | "transient", item?: I) => void;
  readonly signal: AbortSignal;
  readonly backoff?: Backoff;
}

/** Tries of an event before it becomes a dead letter; only errors of the event itself count. */
export const maxTries = 5;

const defaultBackoff: Backoff = { firstMs: 100, maxMs: 2_000 };

/**
 * Brings a partition's entries to an end: handled or buried. A failing batch is bisected; the culprits of a
 * round are tried again together, later events of their keys wait behind them, and all others go on. Errors
 * that pass are retried without limit. Returns how many entries from the first on are finished: all, unless
 * the signal was given.
 */
export async function finishBatch<I extends Item>(work: BatchWork<I>): Promise<number> {
  const open = new Set(work.items);
  let known: ReadonlyMap<string, Failure> | null = null;
  for (let passing = 0; open.size > 0 && !work.signal.aborted; ) {
    try {
      known ??= await leaveOutBuried(work, open);
      const culprits = await bisect(work, open, [...open]);
      passing = 0;
      if (culprits.size === 0) continue;
      known = await settleCulprits(work, open, culprits, known);
      const tries = triesOf([...culprits.keys()], open, known);
      if (tries > 0) await pause(backoffMs(work.backoff ?? defaultBackoff, tries), work.signal);
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      // Whatever handlers throw has been told apart by `bisect`; what arrives here passes by itself.
      work.onError(error, "transient");
      passing += 1;
      await pause(backoffMs(work.backoff ?? defaultBackoff, passing), work.signal);
    }
  }
  const firstOpen = work.items.findIndex((item) => open.has(item));
  return firstOpen === -1 ? work.items.length : firstOpen;
}

/** The most tries that one of the culprits had which has more to come; 0 when all were buried. */
function triesOf<I extends Item>(
  culprits: readonly I[],
  open: ReadonlySet<I>,
  known: ReadonlyMap<string, Failure>,
): number {
  const tries = culprits.filter((item) => open.has(item)).map((item) => known.get(item.position)?.tries ?? 0);
  return Math.max(0, ...tries);
}

async function leaveOutBuried<I extends Item>(
  work: BatchWork<I>,
  open: Set<I>,
): Promise<ReadonlyMap<string, Failure>> {
  const known = await work.failures.load();
  for (const item of open) if (known.get(item.position)?.isBuried) open.delete(item);
  return known;
}

/** Handles what it can, removing it from `open`, and returns the entries that failed by themselves. */
async function bisect<I extends Item>(
  work: BatchWork<I>,
  open: Set<I>,
  items: readonly I[],
): Promise<Map<I, unknown>> {
  const culprits = new Map<I, unknown>();
  const blockedKeys = new Set<string>();
  const attempt = async (part: readonly I[]): Promise<void> => {
    const batch = part.filter((item) => !blockedKeys.has(item.key));
    const [first] = batch;
    if (first === undefined || work.signal.aborted) return;
    try {
      await work.handle(batch);
      for (const item of batch) open.delete(item);
    } catch (error) {
      if (error instanceof LeaseLost || work.isTransient(error)) throw error;
      if (batch.length === 1) {
        culprits.set(first, error);
        blockedKeys.add(first.key);
        return;
      }
      const middle = batch.length >> 1;
      await attempt(batch.slice(0, middle));
      await attempt(batch.slice(middle));
    }
  };
  await attempt(items);
  return culprits;
}

async function settleCulprits<I extends Item>(
  work: BatchWork<I>,
  open: Set<I>,
  culprits: ReadonlyMap<I, unknown>,
  known: ReadonlyMap<string, Failure>,
): Promise<ReadonlyMap<string, Failure>> {
  const failures = new Map(known);
  for (const [item, error] of culprits) {
    work.onError(error, "event", item);
    const before = failures.get(item.position);
    const now = new Date().toISOString();
    const failure: Failure = {
      tries: (before?.tries ?? 0) + 1,
      reason: describe(error),
      firstFailedAt: before?.firstFailedAt ?? now,
      lastFailedAt: now,
    };
    if (failure.tries >= maxTries || error instanceof HopelessEntry) {
      await work.failures.bury(item, failure);
      open.delete(item);
    } else {
      await work.failures.record(item, failure);
      failures.set(item.position, failure);
    }
  }
  return failures;
}

/** An error's kind and message, in at most 500 characters. */
function describe(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.slice(0, 500);
}
