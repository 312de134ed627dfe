import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { type Backoff, backoffMs, pause } from "../work/retry.ts";

/** One entry of a partition, as read. */
export interface Delivery {
  /** Its place in the partition. */
  readonly position: string;
  readonly key: string;
  readonly envelope: string;
  /** Null when the envelope could not be read; `problem` says why. */
  readonly event: EventEnvelope | null;
  readonly problem?: string;
}

/** What is remembered of an entry that failed, so that a crash does not start its tries anew. */
export interface Failure {
  readonly tries: number;
  readonly reason: string;
  readonly firstFailedAt: string;
  readonly lastFailedAt: string;
  readonly isBuried: boolean;
}

/**
 * Where a partition's failures are kept. Methods throw `LeaseLost` once another replica reads the partition.
 */
export interface FailureLog {
  load(): Promise<ReadonlyMap<string, Failure>>;
  record(delivery: Delivery, failure: Failure): Promise<void>;
  /** Appends the entry to the dead letters and records that. */
  bury(delivery: Delivery, failure: Failure): Promise<void>;
}

/** The partition is read by another replica now. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

export interface PartitionWork {
  readonly deliveries: readonly Delivery[];
  readonly handle: (events: readonly EventEnvelope[]) => Promise<void>;
  readonly failures: FailureLog;
  readonly isTransient: (error: unknown) => boolean;
  /** Told of each error: an event's own, or one that passes. */
  readonly onError: (error: unknown, kind: "event" | "transient", delivery?: Delivery) => void;
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
export async function finishPartition(work: PartitionWork): Promise<number> {
  const open = new Set(work.deliveries);
  let known: ReadonlyMap<string, Failure> | null = null;
  for (let failed = 0, passing = 0; open.size > 0 && !work.signal.aborted; ) {
    try {
      known ??= await leaveOutBuried(work, open);
      const culprits = await bisect(work, open, [...open]);
      passing = 0;
      if (culprits.size === 0) continue;
      known = await settleCulprits(work, open, culprits, known);
      failed += 1;
      if (open.size > 0) await pause(backoffMs(work.backoff ?? defaultBackoff, failed), work.signal);
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      // Whatever handlers throw has been told apart by `bisect`; what arrives here passes by itself.
      work.onError(error, "transient");
      passing += 1;
      await pause(backoffMs(work.backoff ?? defaultBackoff, passing), work.signal);
    }
  }
  const firstOpen = work.deliveries.findIndex((delivery) => open.has(delivery));
  return firstOpen === -1 ? work.deliveries.length : firstOpen;
}

async function leaveOutBuried(
  work: PartitionWork,
  open: Set<Delivery>,
): Promise<ReadonlyMap<string, Failure>> {
  const known = await work.failures.load();
  for (const delivery of open) if (known.get(delivery.position)?.isBuried) open.delete(delivery);
  return known;
}

/** Handles what it can, removing it from `open`, and returns the entries that failed by themselves. */
async function bisect(
  work: PartitionWork,
  open: Set<Delivery>,
  deliveries: readonly Delivery[],
): Promise<Map<Delivery, unknown>> {
  const culprits = new Map<Delivery, unknown>();
  const blockedKeys = new Set<string>();
  const attempt = async (part: readonly Delivery[]): Promise<void> => {
    const batch = part.filter((delivery) => !blockedKeys.has(delivery.key));
    const [first] = batch;
    if (first === undefined || work.signal.aborted) return;
    try {
      await handleDeliveries(work, batch);
      for (const delivery of batch) open.delete(delivery);
    } catch (error) {
      if (work.isTransient(error)) throw error;
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
  await attempt(deliveries);
  return culprits;
}

async function handleDeliveries(work: PartitionWork, batch: readonly Delivery[]): Promise<void> {
  const events: EventEnvelope[] = [];
  for (const delivery of batch) {
    if (delivery.event === null) throw new UnreadableEvent(delivery.problem ?? "the event cannot be read");
    events.push(delivery.event);
  }
  await work.handle(events);
}

/** An entry that no try can make readable. */
class UnreadableEvent extends Error {
  override readonly name = "UnreadableEvent";
}

async function settleCulprits(
  work: PartitionWork,
  open: Set<Delivery>,
  culprits: ReadonlyMap<Delivery, unknown>,
  known: ReadonlyMap<string, Failure>,
): Promise<ReadonlyMap<string, Failure>> {
  const failures = new Map(known);
  for (const [delivery, error] of culprits) {
    work.onError(error, "event", delivery);
    const before = failures.get(delivery.position);
    const now = new Date().toISOString();
    const failure: Failure = {
      tries: (before?.tries ?? 0) + 1,
      reason: describe(error),
      firstFailedAt: before?.firstFailedAt ?? now,
      lastFailedAt: now,
      isBuried: false,
    };
    if (failure.tries >= maxTries || error instanceof UnreadableEvent) {
      await work.failures.bury(delivery, { ...failure, isBuried: true });
      open.delete(delivery);
    } else {
      await work.failures.record(delivery, failure);
      failures.set(delivery.position, failure);
    }
  }
  return failures;
}

/** An error's kind and message, in at most 500 characters. */
function describe(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.slice(0, 500);
}
