import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import { webhookEvents } from "./endpoints/endpoint.ts";
import { type AcceptEvents, acceptEvents } from "./messages/accept-events.ts";
import type { WebhookMetrics } from "./queue/webhook-metrics.ts";

export type Handler = (events: readonly EventEnvelope[]) => Promise<void>;

export interface Consumers extends AcceptEvents {
  readonly metrics: Pick<WebhookMetrics, "messages">;
}

/** Which use case takes the events of each topic: all of them become webhooks. */
export function consumers(deps: Consumers): ReadonlyMap<Topic, Handler> {
  return new Map(
    webhookEvents.map((topic) => [
      topic,
      async (events) => {
        await acceptEvents(deps, events);
        deps.metrics.messages.inc({ event: topic }, events.length);
      },
    ]),
  );
}

/** Gives a batch of one topic to its handler. Throws for a topic that has none. */
export async function consume(
  handlers: ReadonlyMap<Topic, Handler>,
  topic: Topic,
  events: readonly EventEnvelope[],
): Promise<void> {
  const handler = handlers.get(topic);
  if (handler === undefined) throw new Error(`the notifier has no handler for ${topic}`);
  await handler(events);
}
