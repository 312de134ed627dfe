import { HopelessEntry } from "@payflow/service-kit/concurrency/finish-batch.ts";
import { entryTimeMs } from "@payflow/service-kit/store/entry-id.ts";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";

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

/**
 * A row as one line of JSON: what the entry says of the event, then the event's own fields as they are
 * stored.
 */
export function rowText({ entry, event }: ExportRow): string {
  const head = JSON.stringify({
    stream_id: streamIdOf(entry),
    tenant_id: entry.tenantId,
    mode: entry.mode,
    sequence: entry.sequence,
    received_at: new Date(entryTimeMs(entry.id)).toISOString(),
  });
  // The stored text is such a body as a rule; a line must have no second one in it.
  const isLine = entry.event.startsWith('{"') && !entry.event.includes("\n");
  const body = isLine ? entry.event : JSON.stringify(event);
  return body === "{}" ? head : `${head.slice(0, -1)},${body.slice(1)}`;
}
