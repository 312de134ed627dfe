import { checkEvent, type EventEnvelope } from "@payflow/contracts/events.ts";
import { HopelessEntry, type Item } from "../../work/finish-batch.ts";

/** One entry of a partition, as read. */
export interface Delivery extends Item {
  readonly envelope: string;
  /** Null when the envelope could not be read; `problem` says why. */
  readonly event: EventEnvelope | null;
  readonly problem?: string;
}

class UnreadableEvent extends HopelessEntry {
  override readonly name = "UnreadableEvent";
}

/** The events of a batch; throws where one cannot be read. */
export function eventsOf(deliveries: readonly Delivery[]): EventEnvelope[] {
  return deliveries.map(({ event, problem }) => {
    if (event === null) throw new UnreadableEvent(problem ?? "the event cannot be read");
    return event;
  });
}

/** A partition's entry in the form of Redis: id, then fields and values in turn. */
export type Entry = [id: string, fields: string[]];

/**
 * The entries of a partition that are for this group. A redriven one is for the group that failed it alone.
 */
export function toDeliveries(group: string, entries: readonly Entry[]): Delivery[] {
  const deliveries: Delivery[] = [];
  for (const [position, fields] of entries) {
    const [, envelope = "", , target] = fields;
    if (target === undefined || target === group) deliveries.push(toDelivery(position, envelope));
  }
  return deliveries;
}

function toDelivery(position: string, envelope: string): Delivery {
  try {
    const event: EventEnvelope = checkEvent(JSON.parse(envelope));
    return { position, key: event.key, envelope, event };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { position, key: keyOf(envelope), envelope, event: null, problem };
  }
}

/** The key of an envelope that is malformed elsewhere, so that its successors still wait behind it. */
function keyOf(envelope: string): string {
  try {
    const value: unknown = JSON.parse(envelope);
    return typeof value === "object" && value !== null && "key" in value ? String(value.key) : "";
  } catch {
    return "";
  }
}

type Read = [stream: string, entries: Entry[]][];

/** The reply of XREAD by stream: null when nothing has arrived. */
export function toEntries(reply: unknown): ReadonlyMap<string, Entry[]> {
  // ioredis answers XREAD as a list of pairs in the protocol's version 2, which it speaks.
  return new Map((reply as Read | null) ?? []);
}
