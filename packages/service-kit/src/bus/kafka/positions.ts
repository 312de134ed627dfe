import type { KafkaLink } from "./link.ts";

export interface Position {
  readonly offset: number;
  readonly note: string | null;
}

/** Where a group stands in a topic's partitions; those where it stored nothing yet are left out. */
export async function readPositions(
  link: KafkaLink,
  group: string,
  kafkaTopic: string,
  partitions: readonly number[],
): Promise<ReadonlyMap<number, Position>> {
  const topics = [{ name: kafkaTopic, partitionIndexes: [...partitions] }];
  const groups = [{ groupId: group, memberId: null, memberEpoch: -1, topics }];
  const answer = await link.callCoordinator("OffsetFetch", group, groups, false);
  const found = answer.groups[0]?.topics[0]?.partitions ?? [];
  return new Map(
    found
      .filter(({ committedOffset }) => committedOffset >= 0n)
      .map(({ partitionIndex, committedOffset, metadata }) => [
        partitionIndex,
        { offset: Number(committedOffset), note: metadata ?? null },
      ]),
  );
}

const instants = { earliest: -2n, end: -1n };

/** The first offset that a topic's partitions still have, or the one that the next record gets. */
export async function listOffsets(
  link: KafkaLink,
  kafkaTopic: string,
  partitions: readonly number[],
  which: keyof typeof instants,
): Promise<ReadonlyMap<number, number>> {
  if (partitions.length === 0) return new Map();
  const asked = partitions.map((partitionIndex) => ({ partitionIndex, timestamp: instants[which] }));
  const [topic] = await link.ask((admin) =>
    admin.listOffsets({ topics: [{ name: kafkaTopic, partitions: asked }] }),
  );
  return new Map(topic?.partitions.map(({ partitionIndex, offset }) => [partitionIndex, Number(offset)]));
}
