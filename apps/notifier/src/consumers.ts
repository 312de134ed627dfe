import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import type { Consumers } from "@payflow/service-kit/bus/consumers.ts";
import { type AcceptEvents, acceptEvents } from "./messages/accept-events.ts";
import type { WebhookMetrics } from "./queue/webhook-metrics.ts";

interface ConsumerDependencies extends AcceptEvents {
  readonly metrics: Pick<WebhookMetrics, "messages">;
}

/** What the notifier does on each event it reads: all of them become webhooks. */
export function consumers(deps: ConsumerDependencies): Consumers<"notifier"> {
  const accept = (topic: Topic) => async (events: readonly EventEnvelope[]) => {
    await acceptEvents(deps, events);
    deps.metrics.messages.inc({ event: topic }, events.length);
  };
  return {
    "payment.created": accept("payment.created"),
    "payment.authorized": accept("payment.authorized"),
    "payment.settled": accept("payment.settled"),
    "refund.initiated": accept("refund.initiated"),
    "refund.settled": accept("refund.settled"),
    "fraud.flagged": accept("fraud.flagged"),
  };
}
