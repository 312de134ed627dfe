import type { TenantContext } from "@payflow/contracts/access.ts";
import type { AcceptedEvent, Instant, PaymentExhaust } from "./event.ts";

/** What nearly all UUIDs look like; it is their one spelling here. */
const usualUuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const uuidText = "([0-9a-f]{8})(-?)([0-9a-f]{4})\\2([0-9a-f]{4})\\2([0-9a-f]{4})\\2([0-9a-f]{12})";
const uuid = new RegExp(`^(?:urn:uuid:)?${uuidText}$`, "i");
const bracedUuid = new RegExp(`^\\{${uuidText}\\}$`, "i");

/**
 * The id by which repeats are known. Spellings of one UUID (RFC 9562: either case, with or without dashes,
 * in braces, as a URN) are one id; any other text is itself.
 */
export function scopeIdOf(eventId: string): string {
  // No spelling is shorter or longer.
  if (eventId.length < 32 || eventId.length > 45 || usualUuid.test(eventId)) return eventId;
  const parts = uuid.exec(eventId) ?? bracedUuid.exec(eventId);
  if (parts === null) return eventId;
  return `${parts[1]}-${parts[3]}-${parts[4]}-${parts[5]}-${parts[6]}`.toLowerCase();
}

/**
 * The event as the writer takes it. Its text holds the given fields in the schema's order, nulls left out.
 * Its hash is that of the same text with the time as a moment and without the id: what a caller may write in
 * several ways is one body.
 */
export function toAcceptedEvent(
  tenant: Pick<TenantContext, "tenantId" | "mode">,
  event: PaymentExhaust,
  { ms, finer }: Instant,
): AcceptedEvent {
  const type = JSON.stringify(event.event_type);
  const rest = JSON.stringify({
    merchant_id_hash: event.merchant_id_hash,
    payment_intent_id_hash: event.payment_intent_id_hash,
    processor: event.processor,
    failure_category: event.failure_category ?? undefined,
    retry_count: event.retry_count ?? undefined,
    geo_bucket: event.geo_bucket ?? undefined,
    amount_bucket: event.amount_bucket ?? undefined,
    system_source: event.system_source ?? undefined,
    payment_method_bucket: event.payment_method_bucket ?? undefined,
    channel: event.channel ?? undefined,
    retry_result: event.retry_result ?? undefined,
    failure_origin: event.failure_origin ?? undefined,
  });
  const id = JSON.stringify(event.event_id);
  const time = event.event_timestamp;
  return {
    tenantId: tenant.tenantId,
    mode: tenant.mode,
    merchant: event.merchant_id_hash,
    eventId: event.event_id,
    scopeId: scopeIdOf(event.event_id),
    bodyHash: Bun.hash.xxHash32(`${ms}.${finer}${type}${rest}`),
    json: `{"event_type":${type},"event_timestamp":"${time}","event_id":${id},${rest.slice(1)}`,
  };
}
