/**
 * An integer of any size as JSON shows it. Sums outgrow 2^53, where a double would be off by some units: such
 * a value is written digit by digit (https://tc39.es/proposal-json-parse-with-source/), and readers whose
 * numbers are doubles find the exact amount in `balance_display`.
 */
export function exactInteger(value: bigint): number {
  const asNumber = Number(value);
  if (Number.isSafeInteger(asNumber)) return asNumber;
  // The wrapper exists for `JSON.stringify` alone, which writes its digits; to the types it passes as the
  // number it is.
  return rawJson(value.toString()) as number;
}

/** Newer than TypeScript's library: ECMAScript's `JSON.rawJSON`. */
const { rawJSON: rawJson } = JSON as typeof JSON & { rawJSON(text: string): unknown };
