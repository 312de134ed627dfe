/** When an entry of a Redis stream was added: the first part of its id, in milliseconds since 1970. */
export function entryTimeMs(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}

/** Orders the ids of entries as a Redis stream does: by milliseconds, then by the number behind the dash. */
export function compareEntryIds(left: string, right: string): number {
  return entryTimeMs(left) - entryTimeMs(right) || numberOf(left) - numberOf(right);
}

function numberOf(id: string): number {
  return Number(id.slice(id.indexOf("-") + 1));
}
