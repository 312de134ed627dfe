import type { TenantContext } from "@payflow/contracts/access.ts";
import type { FieldError } from "@payflow/contracts/errors.ts";
import { repeatedName } from "./bodies/split-body.ts";
import { toAcceptedEvent } from "./canonical.ts";
import { type Carried, fromBinary, fromStructured } from "./cloud-event.ts";
import { type AcceptedEvent, eventProblems, instantOf, isEvent, timeProblem } from "./event.ts";
import { readUsualEvent } from "./usual-event.ts";

/** An event that is not taken. */
export interface InvalidEvent {
  /** As it was sent, where it could be read. */
  readonly eventId: string | null;
  readonly errors: readonly FieldError[];
}

/** Who sends, how, and when. */
export interface Reading {
  readonly tenant: Pick<TenantContext, "tenantId" | "mode">;
  readonly kind: "json" | "ndjson" | "cloud-event" | "binary-cloud-event";
  /** The request's, which hold the attributes of a CloudEvent in binary mode. */
  readonly headers: Headers;
  readonly nowMs: number;
}

/** An event is bounded in all its fields and cannot be longer, but for blanks and escapes. */
export const maxEventLength = 64 * 1024;

/** Reads one event's text; null where it is not JSON. */
export function readEvent(reading: Reading, text: string): AcceptedEvent | InvalidEvent | null {
  if (text.length > maxEventLength) {
    return invalid(null, "", `Expected at most ${maxEventLength} characters`);
  }
  if (!isCarried(reading)) {
    const event = readUsualEvent(reading.tenant, text, reading.nowMs);
    if (event !== null) return event;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isCarried(reading)) return readValue(reading, text, value);
  const carries = reading.kind === "cloud-event" ? fromStructured(value) : fromBinary(reading.headers, value);
  return "errors" in carries
    ? { ...carries, eventId: shown(carries.id) }
    : readCarried(reading, text, carries);
}

function isCarried({ kind }: Reading): boolean {
  return kind === "cloud-event" || kind === "binary-cloud-event";
}

function readValue(reading: Reading, text: string, value: unknown): AcceptedEvent | InvalidEvent {
  if (!isEvent(value)) return invalidEvent(reading, value);
  const instant = instantOf(value.event_timestamp);
  if (instant === null || timeProblem(instant, reading.nowMs) !== null) return invalidEvent(reading, value);
  const event = toAcceptedEvent(reading.tenant, value, instant);
  // Half a surrogate pair is written as an escape, which whole characters never need.
  if (event.json.includes("\\ud") && !isWhole(event.json)) return invalidEvent(reading, value);
  // The stored text has no blanks: one of the same length that holds nothing else has no name twice.
  const isSame = text.length === event.json.length && !isCarried(reading);
  const twice = isSame ? null : repeatedName(text);
  return twice === null ? event : invalid(event.eventId, `/${twice}`, "Expected once");
}

/** Whether no text in the stored JSON has half a surrogate pair: a backslash before `ud` may be just that. */
function isWhole(json: string): boolean {
  return Object.values(JSON.parse(json)).every((field) => typeof field !== "string" || field.isWellFormed());
}

function readCarried(
  reading: Reading,
  text: string,
  carries: Exclude<Carried, { errors: FieldError[] }>,
): AcceptedEvent | InvalidEvent {
  const { data, id, dataPointer, idPointer } = carries;
  const hasOwnId =
    typeof data !== "object" || data === null || ("event_id" in data && data.event_id !== null);
  const read = readValue(reading, text, hasOwnId ? data : { ...data, event_id: id });
  if (!("errors" in read)) return read;
  const place = (pointer: string) =>
    pointer === "/event_id" && !hasOwnId ? idPointer : `${dataPointer}${pointer}`;
  return { ...read, errors: read.errors.map((one) => ({ ...one, pointer: place(one.pointer) })) };
}

function invalidEvent(reading: Reading, value: unknown): InvalidEvent {
  const eventId = typeof value === "object" && value !== null && "event_id" in value ? value.event_id : null;
  return { eventId: shown(eventId), errors: eventProblems(value, reading.nowMs) };
}

function invalid(eventId: string | null, pointer: string, message: string): InvalidEvent {
  return { eventId, errors: [{ pointer, message }] };
}

/** The id of an event that was refused, where it is one that could be the caller's. */
function shown(eventId: unknown): string | null {
  const isShown = typeof eventId === "string" && eventId.length <= 100 && eventId.isWellFormed();
  return isShown ? eventId : null;
}
