import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import { type TakeFlags, takeFlags } from "./payments/fraud/take-flags.ts";

type Handlers = {
  readonly [T in "fraud.flagged"]: (events: readonly EventEnvelope<T>[]) => Promise<void>;
};

/** What payment does on each event it reads. */
export function consumers(deps: TakeFlags): Handlers {
  return { "fraud.flagged": (events) => takeFlags(deps, events) };
}

/** Gives a batch of one topic to its handler, as the bus calls it. */
export async function consume(
  handlers: Handlers,
  topic: Topic,
  events: readonly EventEnvelope[],
): Promise<void> {
  if (topic !== "fraud.flagged") throw new Error(`payment does not read ${topic}`);
  // The bus checked each event against its topic's schema, and a batch holds events of one topic alone.
  return handlers[topic](events as readonly EventEnvelope<"fraud.flagged">[]);
}
