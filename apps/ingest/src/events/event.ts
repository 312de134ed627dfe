import type { Mode } from "@payflow/contracts/access.ts";
import type { FieldError } from "@payflow/contracts/errors.ts";
import { nullable, Timestamp, text } from "@payflow/contracts/fields.ts";
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";

/** An event as the writer takes it: checked, with everything that its place in the streams depends on. */
export interface AcceptedEvent {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly merchant: string;
  /** The caller's id, as it was sent. */
  readonly eventId: string;
  /** The id by which repeats are known: spellings of one UUID are one. */
  readonly scopeId: string;
  /** 32 bits of the event without its id: repeats of an id with another one are conflicts. */
  readonly bodyHash: number;
  /** The text that is stored. */
  readonly json: string;
}

/** From how far in the past an event may be, and from how far in the future, for clocks that are wrong. */
const oldestMs = 400 * 86_400_000;
const newestMs = 3_600_000;

const Word = (description: string) => nullable(text(100, `${description} 1 to 100 characters.`));
const Hash = (description: string) => text(128, `${description} 1 to 128 characters.`);

/** The event's fields, in the order in which they are stored. */
function eventObject(timestamp: TSchema) {
  return Type.Object(
    {
      event_type: text(100, "What happened, such as `payment_failed`. 1 to 100 characters."),
      event_timestamp: timestamp,
      event_id: text(100, "The caller's id, one for each event of a merchant. 1 to 100 characters."),
      merchant_id_hash: Hash("The merchant, hashed by the caller. Its events keep their order."),
      payment_intent_id_hash: Hash("The payment, hashed by the caller."),
      processor: Type.String({
        pattern: "^[a-z0-9][a-z0-9_-]{0,63}$",
        description: "A lower-case identifier, such as `stripe`. 1 to 64 characters.",
      }),
      failure_category: Type.Optional(Word("Why it failed, such as `processor_timeout`.")),
      retry_count: Type.Optional(
        nullable(Type.Integer({ minimum: 0, maximum: 1_000_000, description: "Tries before this one." })),
      ),
      geo_bucket: Type.Optional(Word("Where, such as `US`.")),
      amount_bucket: Type.Optional(Word("A range of amounts, such as `50-200`.")),
      system_source: Type.Optional(Word("The program that saw it, such as `checkout_api`.")),
      payment_method_bucket: Type.Optional(Word("Such as `credit_card`.")),
      channel: Type.Optional(Word("Such as `web`.")),
      retry_result: Type.Optional(Word("What became of the last try, such as `failed`.")),
      failure_origin: Type.Optional(Word("Who caused the failure, such as `processor`.")),
    },
    { additionalProperties: false },
  );
}

/** A payment_exhaust event. Optional fields may be null, which is the same as leaving them out. */
export const PaymentExhaust = eventObject(
  Type.String({
    ...Timestamp,
    description: "When it happened: RFC 3339, from 400 days back to one hour ahead.",
  }),
);
export type PaymentExhaust = Static<typeof PaymentExhaust> & { event_timestamp: string };

// The time is judged apart: `instantOf` costs a fifth of the format's check.
const shape = TypeCompiler.Compile(eventObject(Type.String()));

/** At most this many fields of one event are named. */
const maxErrors = 20;
/** A name that nobody knows may be as long as the body. */
const maxPointer = 200;

/** Whether the value is an event; its time is judged by `timeProblem`. */
export function isEvent(value: unknown): value is PaymentExhaust {
  return shape.Check(value);
}

/** What is wrong with the value, each field by its pointer; empty for an event. `nowMs` is the present. */
export function eventProblems(value: unknown, nowMs: number): FieldError[] {
  const found = new Map<string, string>();
  for (const { path, message, schema } of shape.Errors(value)) {
    if (found.size >= maxErrors) break;
    const pointer = path.slice(0, maxPointer);
    if (!found.has(pointer))
      found.set(pointer, path === "" ? "Expected an object" : sentence(message, schema));
  }
  if (typeof value === "object" && value !== null && "event_timestamp" in value) {
    const { event_timestamp: time } = value;
    const problem = typeof time === "string" ? timeProblem(instantOf(time), nowMs) : null;
    if (problem !== null) found.set("/event_timestamp", problem);
    for (const [name, field] of Object.entries(value)) {
      if (typeof field !== "string" || field.isWellFormed() || !(name in PaymentExhaust.properties)) continue;
      found.set(`/${name}`, "Expected whole characters: half of a surrogate pair stands for none");
    }
  }
  return [...found].map(([pointer, message]) => ({ pointer, message }));
}

/** A moment: whole milliseconds since 1970, and the digits of a fraction finer than that. */
export interface Instant {
  readonly ms: number;
  readonly finer: string;
}

const timestamp =
  /^\d{4}-(?:0[1-9]|1[0-2])-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(\d{1,9}))?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** The moment of an RFC 3339 text; null for anything else. */
export function instantOf(time: string): Instant | null {
  const parts = timestamp.exec(time);
  if (parts === null) return null;
  const [, day = "", fraction = ""] = parts;
  // The runtime takes 30 February for a day in March.
  if (day > "28" && new Date(`${time.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(day)) return null;
  const ms = Date.parse(time);
  if (Number.isNaN(ms) || day === "00") return null;
  return { ms, finer: fraction.length > 3 ? fraction.slice(3).replace(/0+$/, "") : "" };
}

/** Why an event of that moment is not taken; null for one that is. */
export function timeProblem(instant: Instant | null, nowMs: number): string | null {
  if (instant === null) return "Expected a time of RFC 3339, such as 2026-11-21T12:00:00.000Z";
  if (instant.ms < nowMs - oldestMs) return "Expected a time of the last 400 days";
  if (instant.ms > nowMs + newestMs) return "Expected a time at most one hour ahead";
  return null;
}

function sentence(message: string, schema: TSchema): string {
  // A field that may be null is described by the other of its two schemas.
  const own: TSchema = schema.anyOf?.[0] ?? schema;
  if (message === "Expected required property" || message === "Unexpected property") return message;
  if (own.type === "integer") return `Expected a whole number from ${own.minimum} to ${own.maximum}`;
  if (own.maxLength !== undefined) {
    return `Expected text of 1 to ${own.maxLength} characters, none of them a control character`;
  }
  if (own.pattern !== undefined)
    return "Expected a lower-case identifier of 1 to 64 characters: a-z, 0-9, _, -";
  return message;
}
