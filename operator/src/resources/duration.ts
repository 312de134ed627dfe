import { Type } from "@sinclair/typebox";

const unitSeconds = { h: 3_600, m: 60, s: 1 } as const;

/** A length of time in hours, minutes and seconds, as Go and CEL write it: `1h30m`. */
export function duration(fallback: string, description: string) {
  return Type.String({
    minLength: 2,
    maxLength: 20,
    pattern: "^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?$",
    description,
    default: fallback,
  });
}

/** The seconds of a `duration`. Throws on any other text: the API server lets none through. */
export function durationSeconds(text: string): number {
  const parts = [...text.matchAll(/(\d+)([hms])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) {
    throw new Error(`"${text}" is no duration.`);
  }
  // The pattern lets only those three letters through.
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * unitSeconds[unit as "h" | "m" | "s"], 0);
}
