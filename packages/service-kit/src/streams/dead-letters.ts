import type { EntryFailure } from "./consumer.ts";
import type { StreamEntry } from "./entry.ts";

/** The body of a step. Keys: dead letters, the tenant's. Arguments: the letter's fields and values. */
export const addLetter = `
  local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV))
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  redis.call('ZADD', KEYS[2], 0, string.format('%016d-%010d', ms, number))`;

/** The fields of a dead letter: why it is one, then the entry's own. */
export function letterValues(group: string, entry: StreamEntry, failure: EntryFailure): string[] {
  return [
    ...["group", group],
    ...["reason", failure.reason],
    ...["tries", String(failure.tries)],
    ...["first_failed_at", failure.firstFailedAt],
    ...["last_failed_at", failure.lastFailedAt],
    ...["entry", entry.id],
    ...["tenant", entry.tenantId],
    ...["mode", entry.mode],
    ...["merchant", entry.merchant],
    ...["sequence", String(entry.sequence)],
    ...["id", entry.eventId],
    ...["event", entry.event],
  ];
}

/** How a letter is named in the set of its tenant's: such names are in order as texts. */
export function letterMember(id: string): string {
  const [ms = "", number = ""] = id.split("-");
  return `${ms.padStart(16, "0")}-${number.padStart(10, "0")}`;
}
