import { type Delivery, toDelivery } from "../deliveries.ts";

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

type Read = [stream: string, entries: Entry[]][];

/** The reply of XREAD by stream: null when nothing has arrived. */
export function toEntries(reply: unknown): ReadonlyMap<string, Entry[]> {
  // ioredis answers XREAD as a list of pairs in the protocol's version 2, which it speaks.
  return new Map((reply as Read | null) ?? []);
}
