import type { StreamEntry } from "./entry.ts";

/** Ends what a group's replica began on a partition that it held. */
export type CloseReason = "stopping" | "lost";

/**
 * A partition that this replica reads for its group, alone, under a lease. Each method throws `LeaseLost`
 * once another replica reads it, and has changed nothing then.
 */
export interface HeldPartition {
  readonly number: number;
  readonly group: string;
  /** Given once the lease is lost or the group stops here. */
  readonly signal: AbortSignal;
  /** Marks entries as done, all in one step, and counts them as exported for their tenants. */
  acknowledge(entries: readonly StreamEntry[]): Promise<void>;
  /** Moves an entry to the dead letters and acknowledges it, in one step. */
  bury(entry: StreamEntry, failure: EntryFailure): Promise<void>;
  /** What is known of earlier tries, by entry id. */
  failures(): Promise<ReadonlyMap<string, EntryFailure>>;
  /** Remembers a try that failed, so that a crash does not start the count anew. */
  recordFailure(entry: StreamEntry, failure: EntryFailure): Promise<void>;
}

export interface EntryFailure {
  readonly tries: number;
  readonly reason: string;
  readonly firstFailedAt: string;
  readonly lastFailedAt: string;
}

/** What a group does with one partition while this replica holds it. */
export interface PartitionConsumer {
  /**
   * Takes the next entries, in order; resolves when it can take more. It acknowledges them then or later;
   * what it has not acknowledged when it closes is read again by the next holder, in order. When it throws,
   * it is given the same entries again after a while.
   */
  take(entries: readonly StreamEntry[]): Promise<void>;
  /** Called every `tickMs` between calls of `take`, for what is due by time. */
  tick?(): Promise<void>;
  /** The last call: with "stopping" it may still acknowledge, with "lost" it only drops what it holds. */
  close(reason: CloseReason): Promise<void>;
}
