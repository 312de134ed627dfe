import { nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import type { AttemptRow, DeliveryView } from "./deliveries.store.ts";
import { deliveryStatuses } from "./delivery.ts";

const Id = Type.String({ minLength: 1, maxLength: 100 });

/** Of a route that takes nothing: no body, or an empty object. */
export const NoBody = Type.Object({}, { additionalProperties: false });

export const ListDeliveriesQuery = Type.Object(
  {
    ...pageQuery,
    endpoint_id: Type.Optional(Id),
    event_id: Type.Optional(Id),
    status: Type.Optional(oneOf(deliveryStatuses)),
  },
  { additionalProperties: false },
);
export type ListDeliveriesQuery = Static<typeof ListDeliveriesQuery>;

export const DeliveryResponse = Type.Object({
  delivery_id: Type.String(),
  endpoint_id: Type.String(),
  event_id: Type.String(),
  event: Type.String(),
  tenant_id: Type.String(),
  mode: oneOf(["live", "test"]),
  status: oneOf(deliveryStatuses, "`pending` waits for its next attempt, `sending` is under way."),
  attempt_count: Type.Integer(),
  next_attempt_at: nullable(Timestamp),
  first_attempt_at: nullable(Timestamp),
  last_attempt_at: nullable(Timestamp),
  last_status_code: nullable(Type.Integer()),
  last_error: nullable(Type.String()),
  created_at: Timestamp,
  finished_at: nullable(Timestamp),
});
export type DeliveryResponse = Static<typeof DeliveryResponse>;

export const DeliveriesResponse = Type.Object({
  data: Type.Array(DeliveryResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

const Attempt = Type.Object({
  number: Type.Integer(),
  started_at: Timestamp,
  duration_ms: nullable(Type.Integer()),
  status_code: nullable(Type.Integer()),
  error: nullable(Type.String({ description: "Why it failed, in one word; null for a success." })),
  response_body: nullable(Type.String({ description: "The first 8 KiB of the answer, decoded from UTF-8." })),
});

export const DeliveryWithAttemptsResponse = Type.Composite([
  DeliveryResponse,
  Type.Object({
    attempts: Type.Array(Attempt, { description: "Of the last 30 days, the first at the top." }),
  }),
]);
export type DeliveryWithAttemptsResponse = Static<typeof DeliveryWithAttemptsResponse>;

const time = (date: Date | null) => date?.toISOString() ?? null;

/** A delivery as lists show it. */
export function toDelivery(view: DeliveryView): DeliveryResponse {
  return {
    delivery_id: view.id,
    endpoint_id: view.endpointId,
    event_id: view.eventId,
    event: view.event,
    tenant_id: view.tenantId,
    mode: view.mode,
    status: view.status,
    attempt_count: view.attempts,
    next_attempt_at: time(view.nextAttemptAt),
    first_attempt_at: time(view.firstAttemptAt),
    last_attempt_at: time(view.lastAttemptAt),
    last_status_code: view.lastStatusCode,
    last_error: view.lastError,
    created_at: view.createdAt.toISOString(),
    finished_at: time(view.finishedAt),
  };
}

/** A delivery as it is shown by itself, with every attempt that is still kept. */
export function toDeliveryWithAttempts(
  view: DeliveryView,
  attempts: readonly AttemptRow[],
): DeliveryWithAttemptsResponse {
  return {
    ...toDelivery(view),
    attempts: attempts.map((attempt) => ({
      number: attempt.number,
      started_at: attempt.startedAt.toISOString(),
      duration_ms: attempt.durationMs,
      status_code: attempt.statusCode,
      error: attempt.error,
      response_body: attempt.response === null ? null : Buffer.from(attempt.response).toString("utf8"),
    })),
  };
}
