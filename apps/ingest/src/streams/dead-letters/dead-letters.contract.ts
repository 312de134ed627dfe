import { nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import { type Letter, letterName } from "./letter.ts";

const GroupName = Type.String({ minLength: 1, maxLength: 100, description: "One consumer group's alone." });

export const ListLettersQuery = Type.Object(
  { ...pageQuery, group: Type.Optional(GroupName) },
  { additionalProperties: false },
);
export type ListLettersQuery = Static<typeof ListLettersQuery>;

const LetterResponse = Type.Object({
  id: Type.String(),
  group: Type.String({ description: "The consumer group that could not handle the event." }),
  reason: Type.String(),
  tries: Type.Integer(),
  first_failed_at: Timestamp,
  last_failed_at: Timestamp,
  stream_id: Type.String({ description: "As the event's sender was told." }),
  tenant_id: Type.String(),
  mode: oneOf(["live", "test"]),
  sequence: Type.Integer(),
  event_id: Type.String(),
  event: Type.Unknown({ description: "The event, or its text where that is not JSON." }),
});
export type LetterResponse = Static<typeof LetterResponse>;

export const LettersResponse = Type.Object({
  data: Type.Array(LetterResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

export const RedriveBody = Type.Object(
  {
    ids: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
        minItems: 1,
        maxItems: 1_000,
        description: "These letters; the oldest when left out.",
      }),
    ),
    group: Type.Optional(GroupName),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000, default: 1_000, description: "Letters without `ids`." }),
    ),
  },
  { additionalProperties: false },
);
export type RedriveBody = Static<typeof RedriveBody>;

export const RedriveResponse = Type.Object({ redriven: Type.Integer({ description: "Events put back." }) });

export function toLetterResponse(letter: Letter): LetterResponse {
  return {
    id: letterName(letter),
    group: letter.group,
    reason: letter.reason,
    tries: letter.tries,
    first_failed_at: letter.firstFailedAt,
    last_failed_at: letter.lastFailedAt,
    stream_id: `${letter.partition}:${letter.entryId}`,
    tenant_id: letter.tenantId,
    mode: letter.mode,
    sequence: letter.sequence,
    event_id: letter.eventId,
    event: readEvent(letter.event),
  };
}

function readEvent(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
