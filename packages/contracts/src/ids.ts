import { createHash } from "node:crypto";
import { fromUUIDBytes, typeidUnboxed } from "typeid-js";

/** What each prefix stands for. */
const idPrefixes = {
  tenant: "ten",
  key: "key",
  payment: "pay",
  refund: "ref",
  journal: "jrn",
  event: "evt",
  endpoint: "whe",
  delivery: "dlv",
  policy: "fpl",
  reconciliation: "rec",
} as const;

export type IdPrefix = (typeof idPrefixes)[keyof typeof idPrefixes];

const suffix = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/**
 * A new TypeID (https://github.com/jetify-com/typeid): prefix, underscore, UUIDv7 in base 32; ordered by
 * time.
 */
export function newId(prefix: IdPrefix): string {
  return typeidUnboxed(prefix);
}

/**
 * The same id for the same parts, always: the first 128 bits of their SHA-256 as a UUIDv8 (RFC 9562). For
 * what has a name of its own outside, so that telling it twice tells it once.
 */
export function derivedId(prefix: IdPrefix, parts: readonly string[]): string {
  const bytes = createHash("sha256").update(JSON.stringify(parts)).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return fromUUIDBytes(prefix, bytes);
}

/** Whether the text is a well-formed id of that prefix; it says nothing of existence. */
export function isId(prefix: IdPrefix, value: string): boolean {
  return (
    value.length === prefix.length + 27 &&
    value.startsWith(`${prefix}_`) &&
    suffix.test(value.slice(prefix.length + 1))
  );
}

const digits = "0123456789abcdefghjkmnpqrstvwxyz";
/** All pairs of digits: text grows by two of them at a time. */
const pairs = Array.from({ length: 1_024 }, (_, value) => `${digits[value >> 5]}${digits[value & 31]}`);

/** Random bits are made for so many ids at once: that costs the same as for one. */
const randomIds = 256;
const random = new Uint16Array(8 * randomIds);
let usedRandom = random.length;
let lastMs = 0;
let lastTime = "";

/**
 * A new id for a request that came without one: a TypeID as any other, made here since the package takes
 * many times as long, and every request has one.
 */
export function newRequestId(): string {
  const now = Date.now();
  if (now !== lastMs) {
    lastMs = now;
    lastTime = `req_${timeDigits(now)}`;
  }
  if (usedRandom === random.length) {
    crypto.getRandomValues(random);
    usedRandom = 0;
  }
  const pair = (place: number) => (random[usedRandom + place] ?? 0) & 1_023;
  // UUIDv7 (RFC 9562, 5.7): after the time a 7 in four bits, twelve random bits, the bits 1 and 0.
  const first = (pair(0) & 0b00001_11111) | (14 << 5);
  const second = (pair(1) & 0b11111_10011) | 0b01000;
  const text =
    lastTime +
    pairs[first] +
    pairs[second] +
    pairs[pair(2)] +
    pairs[pair(3)] +
    pairs[pair(4)] +
    pairs[pair(5)] +
    pairs[pair(6)] +
    pairs[pair(7)];
  usedRandom += 8;
  return text;
}

/** When a well-formed id was made, in milliseconds since 1970, by the clock of whoever made it. */
export function idTimeMs(id: string): number {
  // The first ten digits of the suffix are the 48 bits of UUIDv7's time, after two bits of padding.
  let time = 0;
  for (const digit of id.slice(-26, -16)) time = time * 32 + digits.indexOf(digit);
  return time;
}

/** The smallest id of that prefix a clock showing `timeMs` makes: a bound for ranges of ids by time. */
export function firstIdAt(prefix: IdPrefix, timeMs: number): string {
  return `${prefix}_${timeDigits(timeMs)}${"0".repeat(16)}`;
}

/** The first ten digits of an id's suffix. */
function timeDigits(timeMs: number): string {
  let time = Math.max(0, Math.floor(timeMs));
  let text = "";
  for (let position = 0; position < 10; position += 1) {
    text = (digits[time % 32] ?? "") + text;
    time = Math.floor(time / 32);
  }
  return text;
}
