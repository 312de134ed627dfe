import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import { type RecordFailures, recordFailures } from "./scoring/record-failures.ts";
import type { LookAgain } from "./second-look/look-again.ts";
import { noteCreated, noteOutcomes } from "./second-look/note-payments.ts";

type Handlers = {
  readonly [T in "payment.created" | "payment.authorized" | "payment.settled"]: (
    events: readonly EventEnvelope<T>[],
  ) => Promise<void>;
};

/** What fraud does on each event it reads. */
export function consumers(deps: LookAgain & RecordFailures): Handlers {
  return {
    "payment.created": (events) => noteCreated(deps, events),
    "payment.authorized": (events) => noteOutcomes(deps, events),
    "payment.settled": async (events) => {
      // The look comes first: a payment is not judged by its own failure.
      await noteOutcomes(deps, events);
      await recordFailures(deps, events);
    },
  };
}

/** Gives a batch of one topic to its handler, as the bus calls it. */
export async function consume(
  handlers: Handlers,
  topic: Topic,
  events: readonly EventEnvelope[],
): Promise<void> {
  if (topic !== "payment.created" && topic !== "payment.authorized" && topic !== "payment.settled") {
    throw new Error(`fraud does not read ${topic}`);
  }
  // The bus checked each event against its topic's schema, and a batch holds events of one topic alone.
  const handle = handlers[topic] as (events: readonly EventEnvelope[]) => Promise<void>;
  await handle(events);
}
