import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import { type PostTransfers, postTransfers } from "./journal/post-transfers.ts";
import { captureOf, refundOf } from "./journal/transfer.ts";

type Handlers = {
  readonly [T in "payment.settled" | "refund.settled"]: (
    events: readonly EventEnvelope<T>[],
  ) => Promise<void>;
};

/** What the ledger does on each event it reads. */
export function consumers(deps: PostTransfers): Handlers {
  return {
    "payment.settled": (events) => postTransfers(deps, "payment.settled", events, captureOf),
    "refund.settled": (events) => postTransfers(deps, "refund.settled", events, refundOf),
  };
}

/** Gives a batch of one topic to its handler, as the bus calls it. */
export async function consume(
  handlers: Handlers,
  topic: Topic,
  events: readonly EventEnvelope[],
): Promise<void> {
  // The bus checked each event against its topic's schema, and a batch holds events of one topic alone.
  if (topic === "payment.settled")
    return handlers[topic](events as readonly EventEnvelope<"payment.settled">[]);
  if (topic === "refund.settled")
    return handlers[topic](events as readonly EventEnvelope<"refund.settled">[]);
  throw new Error(`ledger does not read ${topic}`);
}
