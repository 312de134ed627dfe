import { Description, nullable, oneOf, Timestamp, Url } from "@payflow/contracts/fields.ts";
import { webhookEvents } from "@payflow/contracts/internal-notifier.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import { disabledReasons } from "../schema.ts";
import { defaultOverlapSeconds, maxOverlapSeconds } from "./endpoint.ts";
import type { EndpointView } from "./endpoints.store.ts";

const strict = { additionalProperties: false };

const Events = Type.Array(oneOf(webhookEvents), {
  minItems: 1,
  maxItems: webhookEvents.length,
  uniqueItems: true,
  description: "The events to be told.",
});
const RatePerSecond = nullable(
  Type.Integer({ minimum: 1, maximum: 10_000, description: "Attempts a second at most." }),
);
const SigningSecret = Type.String({ description: "`whsec_` and base64 of 32 bytes; shown this once." });

export const CreateEndpointBody = Type.Object(
  {
    url: Url,
    events: Events,
    description: Type.Optional(nullable(Description)),
    enabled: Type.Optional(Type.Boolean({ default: true })),
    rate_per_second: Type.Optional(RatePerSecond),
  },
  strict,
);
export type CreateEndpointBody = Static<typeof CreateEndpointBody>;

export const ChangeEndpointBody = Type.Object(
  {
    url: Type.Optional(Url),
    events: Type.Optional(Events),
    description: Type.Optional(nullable(Description)),
    enabled: Type.Optional(Type.Boolean()),
    rate_per_second: Type.Optional(RatePerSecond),
  },
  { ...strict, minProperties: 1 },
);
export type ChangeEndpointBody = Static<typeof ChangeEndpointBody>;

export const RotateSecretBody = Type.Object(
  {
    overlap_seconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: maxOverlapSeconds,
        default: defaultOverlapSeconds,
        description: "For how long the secret before signs too.",
      }),
    ),
  },
  strict,
);
export type RotateSecretBody = Static<typeof RotateSecretBody>;

/** Of a route that takes nothing: no body, or an empty object. */
export const NoBody = Type.Object({}, { additionalProperties: false });

export const ListEndpointsQuery = Type.Object(pageQuery, strict);
export type ListEndpointsQuery = Static<typeof ListEndpointsQuery>;

const Health = Type.Object({
  consecutive_failures: Type.Integer({ description: "Attempts that failed since the last success." }),
  last_success_at: nullable(Timestamp),
  failing_since: nullable(Timestamp),
  failed_messages: Type.Integer({ description: "Messages with a failed attempt since the last success." }),
  warning: nullable(
    Type.Integer({
      description: "50 or 75: percent of what disables it, 5 days and 10 messages without a success.",
    }),
  ),
  next_probe_at: nullable(Timestamp),
});

export const EndpointResponse = Type.Object({
  endpoint_id: Type.String(),
  tenant_id: Type.String(),
  mode: oneOf(["live", "test"]),
  url: Type.String(),
  events: Type.Array(Type.String()),
  description: nullable(Type.String()),
  enabled: Type.Boolean(),
  disabled_reason: nullable(oneOf(disabledReasons)),
  disabled_at: nullable(Timestamp),
  is_default: Type.Boolean(),
  managed_by: nullable(oneOf(["kubernetes"], "An endpoint made by a resource is changed by it alone.")),
  rate_per_second: nullable(Type.Integer()),
  previous_secret_expires_at: nullable(Timestamp),
  health: Health,
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type EndpointResponse = Static<typeof EndpointResponse>;

export const NewEndpointResponse = Type.Composite([
  EndpointResponse,
  Type.Object({ signing_secret: SigningSecret }),
]);
export type NewEndpointResponse = Static<typeof NewEndpointResponse>;

export const EndpointsResponse = Type.Object({
  data: Type.Array(EndpointResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

export const RotatedSecretResponse = Type.Object({
  endpoint_id: Type.String(),
  signing_secret: SigningSecret,
  previous_expires_at: Timestamp,
});
export type RotatedSecretResponse = Static<typeof RotatedSecretResponse>;

export const TestDeliveryResponse = Type.Object({ delivery_id: Type.String(), event_id: Type.String() });
export type TestDeliveryResponse = Static<typeof TestDeliveryResponse>;

const time = (date: Date | null) => date?.toISOString() ?? null;

/** An endpoint as the API shows it, without its secret. */
export function toEndpoint(view: EndpointView): EndpointResponse {
  return {
    endpoint_id: view.id,
    tenant_id: view.tenantId,
    mode: view.mode,
    url: view.url,
    events: view.events,
    description: view.description,
    enabled: view.enabled,
    disabled_reason: view.disabledReason,
    disabled_at: time(view.disabledAt),
    is_default: view.isDefault,
    managed_by: view.managedBy,
    rate_per_second: view.ratePerSecond,
    previous_secret_expires_at: time(view.previousExpiresAt),
    health: {
      consecutive_failures: view.consecutiveFailures,
      last_success_at: time(view.lastSuccessAt),
      failing_since: time(view.failingSince),
      failed_messages: view.failedMessages,
      warning: view.warning === 0 ? null : view.warning,
      next_probe_at: time(view.probeDue),
    },
    created_at: view.createdAt.toISOString(),
    updated_at: view.updatedAt.toISOString(),
  };
}
