import type { Topic } from "@payflow/contracts/events.ts";
import type { GroupLag, TopicLag } from "../bus.ts";
import { topicsOfGroup } from "../groups.ts";
import type { KafkaLink } from "./link.ts";
import type { Names } from "./names.ts";
import { listOffsets, readPositions } from "./positions.ts";
import { fetchRecords, recordsOf } from "./records.ts";

/** How far a group is behind, from its stored positions and the broker's times of what follows them. */
export async function readLag(link: KafkaLink, names: Names, group: string): Promise<GroupLag> {
  const lags: TopicLag[] = [];
  for (const topic of topicsOfGroup(group)) lags.push(await readTopicLag(link, names, group, topic));
  return {
    group,
    events: lags.reduce((sum, lag) => sum + lag.events, 0),
    seconds: Math.max(0, ...lags.map((lag) => lag.seconds)),
    topics: lags,
  };
}

async function readTopicLag(link: KafkaLink, names: Names, group: string, topic: Topic): Promise<TopicLag> {
  const kafkaTopic = names.topic(topic);
  const metadata = (await link.metadata([kafkaTopic])).topics.get(kafkaTopic);
  const partitions = Array.from({ length: metadata?.partitionsCount ?? 0 }, (_, partition) => partition);
  const [positions, ends, starts] = await Promise.all([
    readPositions(link, names.group(group), kafkaTopic, partitions),
    listOffsets(link, kafkaTopic, partitions, "end"),
    listOffsets(link, kafkaTopic, partitions, "earliest"),
  ]);
  let events = 0;
  let oldestMs = Number.POSITIVE_INFINITY;
  for (const partition of partitions) {
    const start = starts.get(partition) ?? 0;
    const from = Math.max(positions.get(partition)?.offset ?? start, start);
    const behind = (ends.get(partition) ?? 0) - from;
    if (behind <= 0) continue;
    events += behind;
    oldestMs = Math.min(oldestMs, await timeOf(link, kafkaTopic, partition, from));
  }
  const seconds = oldestMs === Number.POSITIVE_INFINITY ? 0 : Math.max(Date.now() - oldestMs, 0) / 1_000;
  return { topic, events, seconds };
}

/** When the record at an offset was stored, or the next one after it. */
async function timeOf(link: KafkaLink, kafkaTopic: string, partition: number, from: number): Promise<number> {
  const metadata = await link.metadata([kafkaTopic]);
  const topic = metadata.topics.get(kafkaTopic);
  const [found] = await fetchRecords(link, {
    broker: metadata.brokers.get(topic?.partitions[partition]?.leader ?? -1),
    topics: new Map([[topic?.id ?? "", [{ partition, from, maxBytes: 1 }]]]),
    maxWaitMs: 0,
  });
  const [record] = recordsOf(found?.batches ?? [], from);
  return record?.timestampMs ?? Date.now();
}
