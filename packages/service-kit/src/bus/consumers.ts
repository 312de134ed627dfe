import {
  type ConsumerGroup,
  consumerGroups,
  type EventEnvelope,
  type Topic,
} from "@payflow/contracts/events.ts";
import type { BatchProgress, EventBus, RunningSubscription, Subscription } from "./bus.ts";

type TopicOf<G extends ConsumerGroup> = (typeof consumerGroups)[G]["topics"][number];

/** Handles a batch of one topic, as `Subscription.handle` does. */
type Consumer<T extends Topic> = (
  events: readonly EventEnvelope<T>[],
  progress?: BatchProgress,
) => Promise<void>;

/** What a group does with the events of each of its topics: the table in an app's `consumers.ts`. */
export type Consumers<G extends ConsumerGroup> = {
  readonly [T in TopicOf<G>]: Consumer<T>;
};

/** Gives a batch of one topic to its consumer, as the bus does. Throws for a topic that has none. */
export async function consume<G extends ConsumerGroup>(
  consumers: Consumers<G>,
  topic: Topic,
  events: readonly EventEnvelope[],
  progress?: BatchProgress,
): Promise<void> {
  // The bus checked each event against its topic's schema, and a batch holds events of one topic alone.
  const table = consumers as { readonly [T in Topic]?: Consumer<Topic> };
  const handle = table[topic];
  if (handle === undefined) throw new Error(`nothing here consumes ${topic}`);
  await handle(events, progress);
}

export interface GroupSubscription<G extends ConsumerGroup>
  extends Pick<Subscription, "maxBatch" | "lingerMs" | "resumeFrom" | "keepProgress"> {
  readonly group: G;
  readonly consumers: Consumers<G>;
}

/** Starts reading all topics of a group, each batch for its topic's consumer. */
export function subscribeGroup<G extends ConsumerGroup>(
  bus: EventBus,
  { consumers, ...subscription }: GroupSubscription<G>,
): Promise<RunningSubscription> {
  return bus.subscribe({
    ...subscription,
    topics: consumerGroups[subscription.group].topics,
    handle: (topic, events, progress) => consume(consumers, topic, events, progress),
  });
}
