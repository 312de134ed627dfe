import { type ConsumerGroup, topics } from "@payflow/contracts/events.ts";
import { nullable, oneOf } from "@payflow/contracts/fields.ts";
import { Type } from "@sinclair/typebox";
import { operation } from "../http/operation.ts";
import type { Http } from "../http/server.ts";
import { pageQuery } from "../store/paging.ts";
import type { DeadLetter, EventBus } from "./bus.ts";

export interface DeadLetterRoutes {
  readonly bus: EventBus;
  /** The app's own group: its letters alone are shown and redriven here. */
  readonly group: ConsumerGroup;
}

const TopicName = oneOf(topics, "One topic; all of the group's when left out.");

const DeadLetterResponse = Type.Object({
  id: Type.String(),
  topic: Type.String(),
  group: Type.String(),
  event_id: nullable(Type.String()),
  key: Type.String(),
  reason: Type.String(),
  tries: Type.Integer(),
  first_failed_at: Type.String(),
  last_failed_at: Type.String(),
  event: Type.Unknown({ description: "The envelope, or its text where it is not JSON." }),
});

const DeadLetterList = Type.Object({
  data: Type.Array(DeadLetterResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

const RedriveBody = Type.Object(
  {
    ids: Type.Optional(Type.Array(Type.String({ maxLength: 100 }), { minItems: 1, maxItems: 1_000 })),
    topic: Type.Optional(TopicName),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 1_000 })),
  },
  { additionalProperties: false },
);

const RedriveResponse = Type.Object({ redriven: Type.Integer({ description: "Events put back." }) });

/**
 * `GET /internal/v1/dead-letters` and `POST /internal/v1/dead-letters/redrive` of an app, for its internal
 * port.
 */
export const deadLetterRoutes = (http: Http, deps: DeadLetterRoutes) =>
  http
    .routes("dead-letters")
    .get(
      "/internal/v1/dead-letters",
      async ({ query }) => {
        const page = await deps.bus.deadLetters.list({
          group: deps.group,
          limit: query.limit ?? 20,
          ...(query.topic === undefined ? {} : { topic: query.topic }),
          ...(query.cursor === undefined ? {} : { after: query.cursor }),
        });
        return { data: page.letters.map(toResponse), next_cursor: page.next, has_more: page.next !== null };
      },
      {
        access: "internal",
        query: Type.Object(
          { ...pageQuery, topic: Type.Optional(TopicName) },
          { additionalProperties: false },
        ),
        detail: operation({
          summary: "Events that the group could not handle, newest first",
          responses: { 200: DeadLetterList },
          problems: ["invalid_cursor"],
        }),
      },
    )
    .post(
      "/internal/v1/dead-letters/redrive",
      async ({ body }) => ({
        redriven: await deps.bus.deadLetters.redrive({
          group: deps.group,
          limit: body.limit ?? 1_000,
          ...(body.topic === undefined ? {} : { topic: body.topic }),
          ...(body.ids === undefined ? {} : { ids: body.ids }),
        }),
      }),
      {
        access: "internal",
        body: RedriveBody,
        detail: operation({
          summary: "Puts dead letters back into their topic, for this group alone",
          responses: { 200: RedriveResponse },
        }),
      },
    );

function toResponse(letter: DeadLetter) {
  const { envelope, ...rest } = letter;
  return { ...rest, event: readEnvelope(envelope) };
}

function readEnvelope(envelope: string): unknown {
  try {
    return JSON.parse(envelope);
  } catch {
    return envelope;
  }
}
