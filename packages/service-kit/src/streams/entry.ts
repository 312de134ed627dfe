import type { Mode } from "@payflow/contracts/access.ts";

/**
 * The fields of a stream's entry, always all of them and in this order: Redis then stores their names once
 * for many entries.
 */
export const entryFields = ["tenant", "mode", "merchant", "sequence", "id", "event"] as const;

/** One event of a partition. */
export interface StreamEntry {
  /** Redis's own id of the entry: milliseconds of its arrival, a dash, a number. */
  readonly id: string;
  readonly partition: number;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly merchant: string;
  /** Counts the merchant's events in this mode from 1, without gaps. */
  readonly sequence: number;
  /** The caller's id of the event, unique per tenant, mode and merchant for 24 hours. */
  readonly eventId: string;
  /** The event, as JSON text. */
  readonly event: string;
}

/** An entry in Redis's form: id, then fields and values in turn. */
export type RawEntry = readonly [id: string, fields: readonly string[]];

/** Reads an entry. Its own fields come first; a later program may add others behind them. */
export function toStreamEntry(partition: number, [id, fields]: RawEntry): StreamEntry {
  const [, tenantId = "", , mode, , merchant = "", , sequence, , eventId = "", , event = ""] = fields;
  return {
    id,
    partition,
    tenantId,
    mode: mode === "live" ? "live" : "test",
    merchant,
    sequence: Number(sequence),
    eventId,
    event,
  };
}

/**
 * The one group that a redriven entry is for, undefined for the others: it is the field `for` behind the
 * entry's own.
 */
export function targetOf([, fields]: RawEntry): string | undefined {
  const first = 2 * entryFields.length;
  for (let at = first; at < fields.length; at += 2) if (fields[at] === "for") return fields[at + 1];
  return undefined;
}
