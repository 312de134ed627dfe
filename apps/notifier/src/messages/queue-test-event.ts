import { newId } from "@payflow/contracts/ids.ts";
import type { AcceptEvents } from "./accept-events.ts";
import { type Message, testMessage } from "./message.ts";

export type QueueTestEvent = AcceptEvents;

/** Queues a test event for one endpoint, whatever events it is subscribed to. */
export async function queueTestEvent(
  deps: QueueTestEvent,
  owner: Pick<Message, "tenantId" | "mode" | "requestId"> & { readonly traceparent?: string },
  endpointId: string,
): Promise<{ readonly deliveryId: string; readonly eventId: string }> {
  const { requestId } = owner;
  const eventId = newId("evt");
  const deliveryId = newId("dlv");
  const added = await deps.messages.enqueue(
    "test",
    [testMessage(owner, endpointId, eventId, { requestId, traceparent: owner.traceparent ?? null })],
    [{ deliveryId, place: 0, endpointId }],
  );
  deps.onQueued(added);
  return { deliveryId, eventId };
}
