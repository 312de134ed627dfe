import type { Mode } from "@payflow/contracts/access.ts";
import type { EventData, EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import type { HandedMessage } from "@payflow/contracts/internal-notifier.ts";

/** What is told to a tenant's endpoints: the event and the exact text that is signed and sent. */
export interface Message {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly eventId: string;
  readonly event: string;
  readonly body: string;
  /** Of the request that caused it; receivers get it as a header. */
  readonly requestId: string | null;
  /** Of the work that caused it; receivers get one of the same trace. */
  readonly traceparent: string | null;
}

type WebhookTopic = Exclude<Topic, "tenant.changed">;
type Fields = { readonly [T in WebhookTopic]: (data: EventData<T>) => Readonly<Record<string, unknown>> };

/** What of each event's data receivers see; what only our own services need stays inside. */
const fields: Fields = {
  "payment.created": (data) => ({
    amount: data.amount,
    currency: data.currency,
    status: data.status,
    capture_method: data.capture_method,
    created_at: data.created_at,
  }),
  "payment.authorized": (data) => ({
    amount: data.amount,
    currency: data.currency,
    status: data.status,
    authorized_at: data.authorized_at,
  }),
  "payment.settled": (data) => ({
    amount: data.amount,
    amount_captured: data.amount_captured,
    currency: data.currency,
    status: data.status,
    ...(data.error === null ? {} : { error: data.error }),
    settled_at: data.settled_at,
  }),
  "refund.initiated": (data) => ({
    refund_id: data.refund_id,
    amount: data.amount,
    currency: data.currency,
    reason: data.reason,
    initiated_at: data.initiated_at,
  }),
  "refund.settled": (data) => ({
    refund_id: data.refund_id,
    amount: data.amount,
    currency: data.currency,
    status: data.status,
    ...(data.error === null ? {} : { error: data.error }),
    settled_at: data.settled_at,
  }),
  "fraud.flagged": (data) => ({
    rule_triggered: data.rule_triggered,
    risk_score: data.risk_score,
    flagged_at: data.flagged_at,
  }),
};

/** The message of an event from the bus, or null for an event that is not for receivers. */
export function toMessage(event: EventEnvelope): Message | null {
  if (!isWebhookTopic(event.type)) return null;
  // The envelope's type names the data's shape; TypeScript does not follow it through the table.
  const chosen = fields[event.type] as (data: unknown) => Readonly<Record<string, unknown>>;
  return {
    tenantId: event.tenant_id,
    mode: event.mode,
    eventId: event.event_id,
    event: event.type,
    requestId: event.request_id,
    traceparent: event.traceparent ?? null,
    body: JSON.stringify({
      event: event.type,
      event_id: event.event_id,
      sequence: event.sequence,
      payment_id: "payment_id" in event.data ? event.data.payment_id : null,
      tenant_id: event.tenant_id,
      mode: event.mode,
      ...chosen(event.data),
    }),
  };
}

function isWebhookTopic(topic: Topic): topic is WebhookTopic {
  return topic in fields;
}

/** The message that another app hands over. Its own fields follow the head, and never stand in its place. */
export function handedMessage(given: HandedMessage): Message {
  const head = {
    event: given.event,
    event_id: given.event_id,
    sequence: given.sequence,
    payment_id: null,
    tenant_id: given.tenant_id,
    mode: given.mode,
  };
  return {
    tenantId: given.tenant_id,
    mode: given.mode,
    eventId: given.event_id,
    event: given.event,
    requestId: given.request_id ?? null,
    traceparent: given.traceparent ?? null,
    body: JSON.stringify({ ...head, ...given.data, ...head }),
  };
}

/** A message that tests one endpoint: sent on demand, or to learn whether a disabled one works again. */
export function testMessage(
  owner: { readonly tenantId: string; readonly mode: Mode },
  endpointId: string,
  eventId: string,
  cause: Pick<Message, "requestId" | "traceparent"> = { requestId: null, traceparent: null },
): Message {
  const { tenantId, mode } = owner;
  const event = "webhook.test";
  const body = JSON.stringify({
    event,
    event_id: eventId,
    sequence: null,
    payment_id: null,
    tenant_id: tenantId,
    mode,
    endpoint_id: endpointId,
  });
  return { tenantId, mode, eventId, event, body, ...cause };
}
