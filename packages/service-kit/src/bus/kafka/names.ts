import type { Topic } from "@payflow/contracts/events.ts";

export type Names = ReturnType<typeof kafkaNames>;

/** The names of everything the bus keeps in Kafka. */
export function kafkaNames(prefix: string) {
  const topic = (name: Topic) => `${prefix}${name}`;
  return {
    topic,
    deadLetters: (name: Topic) => `${topic(name)}.dlq`,
    group: (name: string) => `${prefix}${name}`,
  };
}
