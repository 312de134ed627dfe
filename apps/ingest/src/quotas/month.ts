/** The calendar month in UTC, written as in the names of the counters: 2026-11. */
export function monthOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}

/** When the next calendar month begins in UTC, in milliseconds since 1970. */
export function nextMonth(ms: number): number {
  const at = new Date(ms);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1);
}
