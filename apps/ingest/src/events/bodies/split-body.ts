import { DomainError } from "@payflow/contracts/errors.ts";

/** The text of one event of a body, or why it has none. */
export type Piece = { readonly text: string } | { readonly problem: string };

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The text of UTF-8 bytes, without a byte order mark; null where they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

/** Blank lines are not events; so many of them are no accident. */
const maxBlankLines = 10_000;

/**
 * The lines of newline-delimited JSON that are not blank. A line that is not UTF-8 spoils no other. Throws
 * `payload_too_large` beyond `most` of them.
 */
export function lines(bytes: Uint8Array, most: number): Piece[] {
  const whole = textOf(bytes);
  return whole === null ? linesOfBytes(bytes, most) : linesOfText(whole, most);
}

function linesOfText(text: string, most: number): Piece[] {
  const found: Piece[] = [];
  let blank = 0;
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const line = text.slice(start, end === -1 ? text.length : end);
    start = end === -1 ? text.length : end + 1;
    if (isBlank(line)) blank += 1;
    else found.push({ text: line });
    if (found.length > most || blank > maxBlankLines) throw tooMany(most);
  }
  return found;
}

function linesOfBytes(bytes: Uint8Array, most: number): Piece[] {
  const found: Piece[] = [];
  let blank = 0;
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    const line = textOf(bytes.subarray(start, end === -1 ? bytes.length : end));
    start = end === -1 ? bytes.length : end + 1;
    if (line !== null && isBlank(line)) blank += 1;
    else found.push(line === null ? { problem: "Expected UTF-8" } : { text: line });
    if (found.length > most || blank > maxBlankLines) throw tooMany(most);
  }
  return found;
}

function isBlank(line: string): boolean {
  // Nearly every line has a brace in front, and that is seen without a search.
  return line.charCodeAt(0) !== brace && /^[ \t\r]*$/.test(line);
}

const brace = 0x7b;
const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;

/**
 * The elements of a JSON array, each as its own text, so that none is parsed before its length is known. What
 * a comma at the array's own depth parts is an element; whether it is JSON is seen when it is parsed. Throws
 * `invalid_json` where there is no array, and `payload_too_large` beyond `most` elements.
 */
export function arrayElements(text: string, most: number): string[] {
  const elements: string[] = [];
  let start = arrayStart(text);
  let depth = 1;
  let at = start;
  for (; at < text.length && depth > 0; at += 1) {
    const character = text.charCodeAt(at);
    if (character === quote) at = stringEnd(text, at);
    else if (character === brace || character === 0x5b) depth += 1;
    else if (character === 0x7d || character === 0x5d) depth -= 1;
    if (depth === 0 || (depth === 1 && character === comma)) {
      elements.push(text.slice(start, at));
      if (elements.length > most) throw tooMany(most);
      start = at + 1;
    }
  }
  if (depth > 0 || text.charCodeAt(at - 1) !== 0x5d || !/^[ \t\n\r]*$/.test(text.slice(at))) {
    throw new DomainError("invalid_json");
  }
  const isEmpty = elements.length === 1 && /^[ \t\n\r]*$/.test(elements[0] ?? "");
  return isEmpty ? [] : elements;
}

/** Above this a body that is no array is not looked at further. */
const maxOther = 64 * 1024;

/** Where the array's first element begins. */
function arrayStart(text: string): number {
  const [before = ""] = /^[ \t\n\r]*/.exec(text) ?? [];
  if (text.charCodeAt(before.length) === 0x5b) return before.length + 1;
  if (text.length <= maxOther && !isJson(text)) {
    throw new DomainError(
      "invalid_json",
      "Send an array as one JSON document in UTF-8; lines of JSON go as application/x-ndjson.",
    );
  }
  throw expected("an array, also around one event");
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The refusal of a body that is not what the route takes. */
export function expected(what: string): DomainError {
  return new DomainError("invalid_request", undefined, {
    errors: [{ pointer: "", message: `Expected ${what}` }],
  });
}

/** Where the string that begins here ends: at its closing quote, or at the text's end. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === quote) return at;
    if (character === backslash) at += 1;
  }
  return text.length;
}

/**
 * The first name that stands twice in one object of a JSON text; null where there is none. Parsers disagree
 * on which of the two values counts (RFC 8259, 4), so that such an event has no certain meaning.
 */
export function repeatedName(text: string): string | null {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === brace) open.push(new Set());
    else if (character === 0x7d) open.pop();
    if (character !== quote) continue;
    const start = at;
    at = stringEnd(text, start);
    const names = open.at(-1);
    if (names === undefined || !isName(text, at + 1)) continue;
    const raw = text.slice(start, at + 1);
    const name: string = raw.includes("\\") ? JSON.parse(raw) : raw.slice(1, -1);
    if (names.has(name)) return name;
    names.add(name);
  }
  return null;
}

/** Whether a colon comes next, so that the string before is a name. */
function isName(text: string, start: number): boolean {
  let at = start;
  while (at < text.length && text.charCodeAt(at) <= 0x20) at += 1;
  return text.charCodeAt(at) === 0x3a;
}

function tooMany(most: number): DomainError {
  return new DomainError("payload_too_large", `The body may have at most ${most} events.`);
}
