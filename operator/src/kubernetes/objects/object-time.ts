/** The API server's MicroTime, which it refuses with other than six digits of a second. */
export function microTime(date: Date): string {
  return date.toISOString().replace("Z", "000Z");
}

/** A time as most fields have it, which the API conventions want in whole seconds. */
export function wholeSeconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
