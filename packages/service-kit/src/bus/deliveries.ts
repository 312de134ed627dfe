import { checkEvent, type EventEnvelope } from "@payflow/contracts/events.ts";
import { type Failure, HopelessEntry, type Item } from "../concurrency/finish-batch.ts";
import type { DeadLetter } from "./bus.ts";

/** One entry of a partition, as read. */
export interface Delivery extends Item {
  readonly envelope: string;
  /** Null when the envelope could not be read; `problem` says why. */
  readonly event: EventEnvelope | null;
  readonly problem?: string;
}

/** A dead letter that has no place yet. */
export type NewLetter = Omit<DeadLetter, "id" | "topic">;

class UnreadableEvent extends HopelessEntry {
  override readonly name = "UnreadableEvent";
}

/** The events of a batch; throws where one cannot be read. */
export function eventsOf(deliveries: readonly Delivery[]): EventEnvelope[] {
  return deliveries.map(({ event, problem }) => {
    if (event === null) throw new UnreadableEvent(problem ?? "the event cannot be read");
    return event;
  });
}

/** What an envelope's text holds, checked. */
export function toDelivery(position: string, envelope: string): Delivery {
  try {
    const event: EventEnvelope = checkEvent(JSON.parse(envelope));
    return { position, key: event.key, envelope, event };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { position, key: keyOf(envelope), envelope, event: null, problem };
  }
}

/** The letter of an event that a group could not handle. */
export function letterOf(group: string, delivery: Delivery, failure: Failure): NewLetter {
  return {
    group,
    event_id: delivery.event?.event_id ?? null,
    key: delivery.key,
    reason: failure.reason,
    tries: failure.tries,
    first_failed_at: failure.firstFailedAt,
    last_failed_at: failure.lastFailedAt,
    envelope: delivery.envelope,
  };
}

/** The key of an envelope that is malformed elsewhere, so that its successors still wait behind it. */
function keyOf(envelope: string): string {
  try {
    const value: unknown = JSON.parse(envelope);
    return typeof value === "object" && value !== null && "key" in value ? String(value.key) : "";
  } catch {
    return "";
  }
}
