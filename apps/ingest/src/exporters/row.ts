import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import { HopelessEntry } from "@payflow/service-kit/work/finish-batch.ts";

/** One row of an export: an entry, and its event as it was read. */
export interface ExportRow {
  readonly entry: StreamEntry;
  readonly event: Readonly<Record<string, unknown>>;
}

/** The text of an entry is no event. */
export class UnreadableEvent extends HopelessEntry {
  override readonly name = "UnreadableEvent";
}

/** Reads an entry's event. Throws `UnreadableEvent`. */
export function readRow(entry: StreamEntry): ExportRow {
  let event: unknown;
  try {
    event = JSON.parse(entry.event);
  } catch (error) {
    throw new UnreadableEvent("the event is not JSON", { cause: error });
  }
  if (typeof event !== "object" || event === null || Array.isArray(event)) {
    throw new UnreadableEvent("the event is no object");
  }
  if (!Number.isSafeInteger(entry.sequence)) throw new UnreadableEvent("the entry has no sequence number");
  // An object that came out of JSON has texts for names.
  return { entry, event: event as Record<string, unknown> };
}

/** The name of an entry in all streams, as the answer to its sender gave it. */
export function streamIdOf(entry: Pick<StreamEntry, "partition" | "id">): string {
  return `${entry.partition}:${entry.id}`;
}
