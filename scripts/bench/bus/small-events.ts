import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { BusMessage } from "@payflow/service-kit/bus/bus.ts";
import { messageOf } from "../measure/bus.ts";

const bytes = 400;
const keys = 10_000;
const tenantId = newId("ten");

/**
 * Numbered events of 400 bytes, of 10,000 payments in turn. An event's sequence counts those of its payment,
 * so that a reader sees whether any is missing or out of order.
 */
export function smallEvents(from: number, count: number, occurredAt = new Date()): BusMessage[] {
  return Array.from({ length: count }, (_, index) => messageOf(smallEvent(from + index, occurredAt)));
}

function smallEvent(number: number, occurredAt: Date): EventEnvelope {
  const at = occurredAt.toISOString();
  const key = `pay_${number % keys}`;
  const event = (refundId: string): EventEnvelope<"refund.settled"> => ({
    event_id: newId("evt"),
    type: "refund.settled",
    version: 1,
    tenant_id: tenantId,
    mode: "live",
    key,
    sequence: Math.floor(number / keys) + 1,
    occurred_at: at,
    request_id: null,
    data: {
      refund_id: refundId,
      payment_id: key,
      amount: 500,
      currency: "INR",
      status: "succeeded",
      error: null,
      settled_at: at,
    },
  });
  const rest = bytes - JSON.stringify(event("")).length;
  return event("r".repeat(Math.max(1, rest)));
}
