import type { StreamEntry } from "./entry.ts";

/** What names an entry and whose it is: all that is kept of one while a consumer still holds it back. */
export type EntryReference = Pick<StreamEntry, "id" | "tenantId" | "mode">;

/** Ends what a group's replica began on a partition that it held. */
export type CloseReason = "stopping" | "lost";

/**
 * A partition that this replica reads for its group, alone, under a lease. Each method throws `LeaseLost`
 * once another replica reads it, and has changed nothing then. While Redis is away they wait for it.
 */
export interface HeldPartition {
  readonly number: number;
  readonly group: string;
  /** Given once the lease is lost or the group stops here. */
  readonly signal: AbortSignal;
  /** Marks entries as done, all in one step, and counts them as exported for their tenants. */
  acknowledge(entries: readonly EntryReference[]): Promise<void>;
  /** Moves an entry to the dead letters and acknowledges it, in one step. */
  bury(entry: StreamEntry, failure: EntryFailure): Promise<void>;
  /** What is known of earlier tries, by entry id. */
  failures(): Promise<ReadonlyMap<string, EntryFailure>>;
  /** Remembers a try that failed, so that a crash does not start the count anew. */
  recordFailure(entry: StreamEntry, failure: EntryFailure): Promise<void>;
  /** Counts and logs an error: of an entry itself, or one that passes by itself. */
  report(error: unknown, kind: "event" | "transient", entry?: StreamEntry): void;
  /**
   * Runs the consumer's own Lua in one step with the check of the lease, on keys of this partition. The text
   * is the body of a function that sees its own `KEYS` and `ARGV`, and its answer is given back. The same
   * text is sent once and then known by its digest. With `done` the same step marks those entries as done,
   * after the Lua: only so, since XACK knows nothing of how groups under leases remember what is done. It is
   * repeated then until Redis has answered, is done once however often that is, and has no answer where that
   * was lost. Without `done` it throws while Redis is away, unlike the other methods, and may have been done
   * then.
   */
  step(
    script: string,
    keys: readonly string[],
    values: readonly (string | number)[],
    done?: DoneEntries,
  ): Promise<unknown>;
}

/** Entries that a step finishes. */
export interface DoneEntries {
  readonly entries: readonly EntryReference[];
  /** Whether they count as exported for their tenants; parked ones do not yet. */
  readonly isExported: boolean;
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
   * what it has not acknowledged when it closes is read again by the next holder, in order. When this or
   * `tick` throws, it is closed with "lost", and after a while another one is opened in its place, which is
   * given all that is not acknowledged from the beginning, in order.
   */
  take(entries: readonly StreamEntry[]): Promise<void>;
  /** Called every `tickMs` between calls of `take`, for what is due by time. */
  tick?(): Promise<void>;
  /** The last call: with "stopping" it may still acknowledge, with "lost" it only drops what it holds. */
  close(reason: CloseReason): Promise<void>;
}
