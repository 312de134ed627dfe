/** The gateway's documented example. */
export const documentedEvent = {
  event_type: "payment_failed",
  event_timestamp: "2026-11-21T11:59:59.123Z",
  event_id: "uuid-123",
  merchant_id_hash: "abc123",
  payment_intent_id_hash: "xyz456",
  processor: "stripe",
  failure_category: "processor_timeout",
  retry_count: 0,
  geo_bucket: "US",
  amount_bucket: "50-200",
  system_source: "checkout_api",
  payment_method_bucket: "credit_card",
  channel: "web",
  retry_result: "failed",
  failure_origin: "processor",
};

/** The same with an id of its own, happening now. */
export function example(fields: Record<string, unknown> = {}) {
  const own = { event_id: crypto.randomUUID(), event_timestamp: new Date().toISOString() };
  return { ...documentedEvent, ...own, ...fields };
}
