import { DomainError, type FieldError } from "@payflow/contracts/errors.ts";
import { nullable, oneOf } from "@payflow/contracts/fields.ts";
import { type TSchema, Type } from "@sinclair/typebox";
import type { AppendResult } from "../writer/writer.ts";
import { type AcceptedEvent, PaymentExhaust } from "./event.ts";
import type { EventResult } from "./take-events.ts";

/** Whether what is stored is on disk, or in Redis's memory and on disk within a second. */
export type Durability = "fsync" | "memory";

const DurabilityField = oneOf(
  ["fsync", "memory"],
  "`fsync`: stored events are on disk. `memory`: they are in memory, and on disk within a second.",
);

export const TakenEvent = Type.Object(
  {
    event_id: Type.String({ description: "As it was sent." }),
    duplicate: Type.Boolean({ description: "The event was stored before, and is not stored again." }),
    stream_id: nullable(
      Type.String({ description: "Where it is stored: partition, colon, entry. Null for a repeat." }),
    ),
    sequence: nullable(
      Type.Integer({
        minimum: 1,
        description: "Counts the merchant's events in this mode. Null for a repeat.",
      }),
    ),
    durability: DurabilityField,
  },
  { description: "Stored, now or before" },
);

const statuses = ["accepted", "duplicate", "invalid", "conflict"] as const;

export const TakenEvents = Type.Object(
  {
    accepted: Type.Integer({ minimum: 0, description: "Stored now." }),
    duplicates: Type.Integer({ minimum: 0, description: "Stored before." }),
    rejected: Type.Integer({ minimum: 0, description: "Invalid or in conflict, and not stored." }),
    durability: DurabilityField,
    results: Type.Array(
      Type.Object({
        index: Type.Integer({
          minimum: 0,
          description: "The event's place in the body, from 0; blank lines have none.",
        }),
        event_id: nullable(Type.String({ description: "As it was sent; null where it could not be read." })),
        status: oneOf(statuses),
        errors: Type.Optional(
          Type.Array(Type.Object({ pointer: Type.String(), message: Type.String() }), {
            description: "Of an invalid event: each wrong field by its pointer into the event.",
          }),
        ),
      }),
      { description: "One for each event, in their order." },
    ),
  },
  { description: "The good ones are stored; `rejected` says whether there are others" },
);

/** The event in a CloudEvent, whose own id serves where this has none. */
const EventInside = Type.Object(
  { ...PaymentExhaust.properties, event_id: Type.Optional(PaymentExhaust.properties.event_id) },
  { $id: "PaymentExhaustInside", additionalProperties: false },
);

/** The event by itself. Its fields stand once in the document. */
const Event = Type.Unsafe({ $id: "PaymentExhaust", allOf: [EventInside, { required: ["event_id"] }] });

/** A CloudEvent 1.0 in JSON. Its extensions are let through. */
const CloudEvent = Type.Object(
  {
    specversion: Type.Literal("1.0"),
    id: Type.String({ minLength: 1, description: "The event's id, where the data has no `event_id`." }),
    source: Type.String({ minLength: 1 }),
    type: Type.String({ minLength: 1 }),
    datacontenttype: Type.Optional(Type.String({ description: "`application/json`, or left out." })),
    data: EventInside,
  },
  { $id: "CloudEvent", description: "A CloudEvent 1.0 whose `data` is the event." },
);

/** Anything may stand where an event should be: it is answered as invalid by its index. */
const expected = (event: TSchema) => Type.Union([event, Type.Unknown()]);

// More than 10,000 are too large rather than wrong, so that the schema has no word for it.
const among = (event: TSchema) => Type.Array(expected(event), { minItems: 1 });

const Lines = Type.String({ description: "On each line the JSON of one event; blank lines do not count." });

/** The bodies of the route of one event, by media type. */
export const singleBodies = {
  "application/json": Event,
  "application/cloudevents+json": CloudEvent,
};

/** The bodies of the route of many events, by media type. */
export const batchBodies = {
  "application/json": among(Event),
  "application/x-ndjson": Lines,
  "application/cloudevents+json": expected(CloudEvent),
  "application/cloudevents-batch+json": among(CloudEvent),
};

/** The answer of the route of one event. Throws `event_conflict` and `too_many_merchants`. */
export function toTakenEvent(
  { event, result }: { readonly event: AcceptedEvent; readonly result: AppendResult },
  durability: Durability,
) {
  const { eventId } = event;
  switch (result.kind) {
    case "stored":
      return {
        event_id: eventId,
        duplicate: false,
        stream_id: result.streamId,
        sequence: result.sequence,
        durability,
      };
    case "duplicate":
      return { event_id: eventId, duplicate: true, stream_id: null, sequence: null, durability };
    case "conflict":
      throw new DomainError("event_conflict", "An event with this id and another body is stored already.");
    case "too_many_merchants":
      throw new DomainError("too_many_merchants");
  }
}

/** Errors of one event in the answer of many. */
const maxErrors = 10;

const merchantRefused: readonly FieldError[] = [
  { pointer: "/merchant_id_hash", message: "The tenant has as many merchants as it may have" },
];

/** The answer of the route of many events. */
export function toTakenEvents(events: readonly EventResult[], durability: Durability) {
  const counts = { accepted: 0, duplicate: 0, invalid: 0, conflict: 0 };
  const results = events.map((one, index) => {
    const result = toResult(one);
    counts[result.status] += 1;
    return { index, ...result };
  });
  return {
    accepted: counts.accepted,
    duplicates: counts.duplicate,
    rejected: counts.invalid + counts.conflict,
    durability,
    results,
  };
}

interface Result {
  readonly event_id: string | null;
  readonly status: (typeof statuses)[number];
  readonly errors?: readonly FieldError[];
}

function toResult(one: EventResult): Result {
  if ("errors" in one) {
    return { event_id: one.eventId, status: "invalid", errors: one.errors.slice(0, maxErrors) };
  }
  const { eventId } = one.event;
  switch (one.result.kind) {
    case "stored":
      return { event_id: eventId, status: "accepted" };
    case "duplicate":
      return { event_id: eventId, status: "duplicate" };
    case "conflict":
      return { event_id: eventId, status: "conflict" };
    case "too_many_merchants":
      return { event_id: eventId, status: "invalid", errors: merchantRefused };
  }
}
