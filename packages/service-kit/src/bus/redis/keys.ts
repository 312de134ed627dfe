import { apps, consumerGroups, type Topic, topics } from "@payflow/contracts/events.ts";

/** Streams of a topic. A change needs a drained bus, since an event's stream follows from its key. */
const partitionCount = 8;

export const partitions: readonly number[] = Array.from({ length: partitionCount }, (_, index) => index);

/** The partition of a key: CRC-32 of its UTF-8 bytes, the same in every process and version. */
export function partitionOf(key: string): number {
  return Bun.hash.crc32(key) % partitionCount;
}

export type Keys = ReturnType<typeof busKeys>;

/** The names of everything the bus keeps in Redis. */
export function busKeys(prefix: string) {
  const stream = (topic: Topic, partition: number) => `${prefix}:${topic}:${partition}`;
  return {
    stream,
    streams: (topic: Topic) => partitions.map((partition) => stream(topic, partition)),
    deadLetters: (topic: Topic) => `${prefix}:${topic}.dlq`,
    /** Hash: partition -> fence, end in milliseconds, holder. */
    leases: (group: string, topic: Topic) => `${prefix}:leases:${group}:${topic}`,
    /** Sorted set of the replicas that read a topic for a group, by the end of their membership. */
    members: (group: string, topic: Topic) => `${prefix}:members:${group}:${topic}`,
    /** Hash: entry id -> what is known of its failures, for entries after the group's position. */
    failures: (group: string, topic: Topic, partition: number) =>
      `${prefix}:failures:${group}:${topic}:${partition}`,
    /** Channel that tells readers of new entries. */
    arrivals: (topic: Topic) => `${prefix}:arrivals:${topic}`,
    /** Channel that tells a group's replicas of free partitions. */
    changes: (group: string) => `${prefix}:changes:${group}`,
  };
}

/** The groups of each topic whose app this installation runs. */
export function declaredGroups(installedApps: readonly string[]): ReadonlyMap<Topic, readonly string[]> {
  const unknown = installedApps.filter((app) => apps.every((known) => known !== app));
  if (unknown.length > 0) throw new Error(`no app is called ${unknown.join(", ")}`);
  return new Map(
    topics.map((topic) => [
      topic,
      Object.entries(consumerGroups)
        .filter(([, group]) => installedApps.includes(group.app) && group.topics.some((one) => one === topic))
        .map(([name]) => name),
    ]),
  );
}
