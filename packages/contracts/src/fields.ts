import { isIP } from "node:net";
import { FormatRegistry, type TSchema, Type } from "@sinclair/typebox";
import { isCurrency } from "./currencies.ts";

/** The pattern of text without control characters. */
export const noControl = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";
const timestamp =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

FormatRegistry.Set("date-time", (text) => timestamp.test(text) && isStorableTime(text));
FormatRegistry.Set("currency", isCurrency);
// Names of our own: a library of ours registers `ip`, `email` and others for itself, and the last one wins.
FormatRegistry.Set("ip-address", (text) => isIP(text) !== 0 && !text.includes("%"));
FormatRegistry.Set(
  "email-address",
  (text) => text.length <= 254 && /^[^\s@<>",;:\\()[\]]{1,64}@[^\s@<>",;:\\()[\]]{1,255}$/.test(text),
);
FormatRegistry.Set("uri", (text) => URL.canParse(text));

const daysOfMonths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Whether the calendar has that day, and the moment in UTC lies in the years 1 to 9999: what is beyond has
 * another notation, which PostgreSQL does not read. Each event has several times and is checked by everybody
 * who reads it, so those in UTC are told without making a date.
 */
function isStorableTime(text: string): boolean {
  const year = Number(text.slice(0, 4));
  const month = Number(text.slice(5, 7));
  const isLeapDay = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = (daysOfMonths[month - 1] ?? 0) + (isLeapDay ? 1 : 0);
  if (Number(text.slice(8, 10)) > days) return false;
  if (text.endsWith("Z")) return year > 0;
  const time = Date.parse(text);
  return !Number.isNaN(time) && /^(?!0000)\d{4}-/.test(new Date(time).toISOString());
}

/** Text of `minLength` to `maxLength` characters without control characters. */
export function text(maxLength: number, description: string, minLength = 1) {
  return Type.String({ minLength, maxLength, pattern: noControl, description });
}

/** The same schema, or null. */
export function nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()]);
}

/** One of the given words, as a JSON Schema `anyOf` of constants. */
export function oneOf<const T extends readonly string[]>(words: T, description?: string) {
  return Type.Union(
    // Mapping a tuple loses its words; each is one of T.
    words.map((word) => Type.Literal(word as T[number])),
    description === undefined ? {} : { description },
  );
}

export const maxAmountMinor = 999_999_999_999;

export const Amount = Type.Integer({
  minimum: 1,
  maximum: maxAmountMinor,
  description: "In the currency's smallest unit, such as cents or paise.",
});
export const Currency = Type.String({
  pattern: "^[A-Z]{3}$",
  format: "currency",
  description: "A current ISO 4217 code, upper case.",
});
export const Name = text(200, "A name, as people read it.");
export const Description = text(1_000, "Free text.");
export const Reason = text(500, "Why, in the caller's words.");
export const CallerId = text(255, "An id of the caller's own.");
export const Email = Type.String({
  minLength: 3,
  maxLength: 254,
  format: "email-address",
  pattern: noControl,
});
export const Url = Type.String({ minLength: 1, maxLength: 2_048, format: "uri", pattern: noControl });
export const Timestamp = Type.String({ format: "date-time", description: "RFC 3339, UTC." });
export const IpAddress = Type.String({
  minLength: 2,
  maxLength: 45,
  format: "ip-address",
  description: "IPv4 or IPv6.",
});
export const Metadata = Type.Record(
  Type.String({ pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,40}$" }),
  text(500, "A value.", 0),
  { maxProperties: 50, additionalProperties: false, description: "Up to 50 pairs of strings." },
);
