import { type Static, Type } from "@sinclair/typebox";
import { type Mode, ModeSchema } from "./access.ts";
import { consumerGroups } from "./events.ts";
import { nullable, oneOf, Timestamp, text, Url } from "./fields.ts";

const strict = { additionalProperties: false };

/** What the tenant app asks notifier for: where a tenant's events of one mode go by default. */
export const DefaultEndpointRequest = Type.Object({ url: Url }, { additionalProperties: false });
export type DefaultEndpointRequest = Static<typeof DefaultEndpointRequest>;

/**
 * The default endpoint; every event after this answer is delivered to it. `signing_secret` is there only when
 * the endpoint was first made. Problems: `invalid_request` (the URL) and `limit_reached` (fifty endpoints
 * already).
 */
export const DefaultEndpointAnswer = Type.Object(
  {
    endpoint_id: Type.String(),
    url: Type.String(),
    signing_secret: Type.Optional(
      Type.String({ description: "`whsec_` and base64 of 32 bytes; shown once." }),
    ),
  },
  { additionalProperties: false },
);
export type DefaultEndpointAnswer = Static<typeof DefaultEndpointAnswer>;

/** The path of `PUT /internal/v1/default-endpoints/:tenant/:mode` for a tenant and mode. */
export function defaultEndpointPath(tenantId: string, mode: Mode): string {
  return `/internal/v1/default-endpoints/${tenantId}/${mode}`;
}

/** The internal route on which other apps hand over messages for tenants' endpoints; POST. */
export const messagesPath = "/internal/v1/messages";
/** Asks which of several events any endpoint wants, so that the others need not be sent at all; POST. */
export const wantedPath = "/internal/v1/messages/wanted";

/** The most messages one call may carry. */
export const maxMessages = 1_000;

/** Who hands messages over. An event is told once per source, tenant, mode and id. */
const messageSources = ["ingest"] as const;
export type HandedSource = (typeof messageSources)[number];

/** The events that come by this route; endpoints ask for them as for those of the bus. */
const handedEvents = ["payment_exhaust.received", "processor.degraded", "processor.recovered"] as const;

const TenantId = Type.String({ pattern: "^ten_[0-7][0-9a-hjkmnp-tv-z]{25}$" });
const HandedEventSchema = oneOf(handedEvents);

/** One message: what a webhook's head says, and in `data` the fields that follow it. */
export const HandedMessage = Type.Object(
  {
    event_id: Type.String({ pattern: "^evt_[0-7][0-9a-hjkmnp-tv-z]{25}$" }),
    event: HandedEventSchema,
    tenant_id: TenantId,
    mode: ModeSchema,
    sequence: nullable(Type.Integer({ minimum: 1 })),
    data: Type.Record(Type.String(), Type.Unknown(), { description: "The webhook's own fields." }),
    request_id: Type.Optional(nullable(text(255, "Of the request that caused it."))),
    traceparent: Type.Optional(Type.String({ maxLength: 55 })),
  },
  strict,
);
export type HandedMessage = Static<typeof HandedMessage>;

/** Messages are looked at one by one, so that a wrong one spoils no other; each is a `HandedMessage`. */
export const MessagesBody = Type.Object(
  {
    source: oneOf(messageSources),
    messages: Type.Array(Type.Unknown(), { minItems: 1, maxItems: maxMessages }),
  },
  strict,
);

/** `queued`: it is, or was, on its way to at least one endpoint. `unwanted`: no endpoint asks for it. */
export const MessageResult = Type.Object({
  status: oneOf(["queued", "unwanted", "invalid"]),
  detail: Type.Optional(Type.String({ description: "What is wrong with an invalid one." })),
});
export type MessageResult = Static<typeof MessageResult>;

/** The results in the order of the messages. */
export const MessagesAnswer = Type.Object({ results: Type.Array(MessageResult) });

export const WantedBody = Type.Object(
  {
    events: Type.Array(
      Type.Object({ tenant_id: TenantId, mode: ModeSchema, event: HandedEventSchema }, strict),
      { minItems: 1, maxItems: maxMessages },
    ),
  },
  strict,
);

/** In the order of what was asked. */
export const WantedAnswer = Type.Object({ wanted: Type.Array(Type.Boolean()) });

/** The events that endpoints can ask for. */
export const webhookEvents = [...consumerGroups.notifier.topics, ...handedEvents] as const;

const SigningSecret = Type.String({
  pattern: "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$",
  description: "`whsec_` and base64 of 24 to 64 bytes.",
});

/** An attempt of a delivery is given no longer than this, and a delivery no more attempts. */
const maxTimeoutSeconds = 30;
const maxDeliveryAttempts = 10;

/**
 * `PUT /internal/v1/webhook-endpoints/:id`: all that a WebhookEndpoint resource says. Tenant and mode never
 * change. A secret that differs from the present one takes its place, and both sign for the overlap; with
 * the present one, an overlap that would last longer is cut to so much. Without a secret one is made, and
 * shown in the answer that made it.
 */
export const PutEndpointBody = Type.Object(
  {
    tenant_id: TenantId,
    mode: ModeSchema,
    url: Url,
    events: Type.Array(oneOf(webhookEvents), {
      minItems: 1,
      maxItems: webhookEvents.length,
      uniqueItems: true,
    }),
    enabled: Type.Boolean(),
    signing: Type.Object(
      {
        secret: Type.Optional(SigningSecret),
        overlap_seconds: Type.Integer({ minimum: 0, maximum: 7 * 86_400 }),
      },
      strict,
    ),
    delivery: Type.Object(
      {
        timeout_seconds: Type.Integer({ minimum: 1, maximum: maxTimeoutSeconds }),
        max_attempts: Type.Integer({ minimum: 1, maximum: maxDeliveryAttempts }),
        rate_per_second: nullable(Type.Integer({ minimum: 1, maximum: 10_000 })),
      },
      strict,
    ),
  },
  strict,
);
export type PutEndpointBody = Static<typeof PutEndpointBody>;

/** `drain`: what waits is still sent, nothing new is. `immediate`: what waits is canceled. */
const EndpointDeletionSchema = oneOf(["drain", "immediate"]);
export type EndpointDeletion = Static<typeof EndpointDeletionSchema>;
export const DeleteEndpointQuery = Type.Object({ policy: Type.Optional(EndpointDeletionSchema) }, strict);

/** What the deliveries of an endpoint are like. `pending` counts up to 100,000. */
export const DeliveryStatus = Type.Object({
  last_success_at: nullable(Timestamp),
  last_failure_at: nullable(Timestamp),
  last_status_code: nullable(Type.Integer()),
  consecutive_failures: Type.Integer({ minimum: 0 }),
  pending: Type.Integer({ minimum: 0 }),
  dead: Type.Integer({ minimum: 0, description: "Deliveries that were given up." }),
  auto_disabled: nullable(
    oneOf(["gone", "failing"], "Why we disabled it ourselves: it answered 410, or failed for days."),
  ),
});

/** `GET /internal/v1/webhook-endpoints/:id`. `enabled` is what the resource wants. */
export const InternalEndpoint = Type.Object({
  endpoint_id: Type.String(),
  tenant_id: TenantId,
  mode: ModeSchema,
  url: Type.String(),
  events: Type.Array(Type.String()),
  enabled: Type.Boolean(),
  state: oneOf(["open", "draining", "deleted"]),
  generation: nullable(Type.Integer()),
  signing: Type.Object({
    fingerprint: Type.String({ description: "The first 16 hex digits of the secret's SHA-256." }),
    previous_expires_at: nullable(Timestamp),
  }),
  signing_secret: Type.Optional(Type.String({ description: "Only where it was just made here." })),
  delivery: PutEndpointBody.properties.delivery,
  status: DeliveryStatus,
});
export type InternalEndpoint = Static<typeof InternalEndpoint>;

export const internalEndpointPath = (endpointId: string) => `/internal/v1/webhook-endpoints/${endpointId}`;
