/**
 * Which rows a file has, written down before the file gets its name. Whoever writes the file again, after a
 * crash or in another process, gives it the same rows, whatever the limits and the time then are: so no other
 * file ever has one of them.
 */
export interface Boundary {
  readonly first: string;
  readonly last: string;
  readonly rows: number;
  /** Tells target, folders and format: settings that lead elsewhere begin an export of their own. */
  readonly place: string;
  /** Tenants whose entries between first and last stand elsewhere. */
  readonly without: readonly string[];
}

/** Orders the ids of entries: milliseconds, a dash, a number. */
export function compareIds(left: string, right: string): number {
  const leftDash = left.indexOf("-");
  const rightDash = right.indexOf("-");
  const byTime = Number(left.slice(0, leftDash)) - Number(right.slice(0, rightDash));
  return byTime !== 0 ? byTime : Number(left.slice(leftDash + 1)) - Number(right.slice(rightDash + 1));
}

/** Whether an entry is one of a file's rows. */
export function isWithin(
  boundary: Boundary,
  entry: { readonly id: string; readonly tenantId: string },
): boolean {
  return (
    compareIds(entry.id, boundary.first) >= 0 &&
    compareIds(entry.id, boundary.last) <= 0 &&
    !boundary.without.includes(entry.tenantId)
  );
}
