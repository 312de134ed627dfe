import { type fetchV17, findErrorBy, type RecordsBatch } from "@platformatic/kafka";
import type { KafkaLink } from "./link.ts";

export interface KafkaRecord {
  readonly offset: number;
  /** By the broker's clock, in milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: string;
  /** Null in a record that says that earlier ones of its key are no more. */
  readonly value: string | null;
  readonly header: (name: string) => string | undefined;
}

export interface PartitionRequest {
  readonly partition: number;
  /** The first offset wanted. */
  readonly from: number;
  readonly maxBytes: number;
}

export interface FetchedPartition {
  readonly topicId: string;
  readonly partition: number;
  /** The protocol's error; 0 when there is none. */
  readonly errorCode: number;
  readonly batches: readonly RecordsBatch[];
}

export const offsetOutOfRange = 1;

export interface FetchOrder {
  readonly broker: Parameters<KafkaLink["call"]>[1];
  /** By the topic's id. */
  readonly topics: ReadonlyMap<string, readonly PartitionRequest[]>;
  /** How long the broker waits for records while it has none. */
  readonly maxWaitMs: number;
}

const maxBytes = 8 * 1024 * 1024;

/** Reads from one broker what it leads. Errors of single partitions are in the answer. */
export async function fetchRecords(link: KafkaLink, order: FetchOrder): Promise<FetchedPartition[]> {
  const topics = [...order.topics].map(([topicId, partitions]) => ({
    topicId,
    partitions: partitions.map(({ partition, from, maxBytes: partitionMaxBytes }) => ({
      partition,
      fetchOffset: BigInt(from),
      partitionMaxBytes,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    })),
  }));
  // Session 0 and epoch -1: the broker remembers nothing of this request. Only what is acknowledged by all
  // in-sync replicas is read (isolation 0 reads up to the high watermark).
  const { maxWaitMs, broker } = order;
  const response = await link
    .call("Fetch", broker, maxWaitMs, 1, maxBytes, 0, 0, -1, topics, [], "")
    .catch(partialAnswer);
  return response.responses.flatMap(({ topicId, partitions }) =>
    partitions.map(({ partitionIndex, errorCode, records }) => ({
      topicId,
      partition: partitionIndex,
      errorCode,
      batches: records ?? [],
    })),
  );
}

/** The client throws when one partition has an error; the others' records are in it. */
function partialAnswer(error: unknown): fetchV17.FetchResponse {
  const found = error instanceof Error ? findErrorBy(error, "code", "PLT_KFK_RESPONSE") : null;
  const response: unknown = found?.response;
  if (typeof response !== "object" || response === null || !("responses" in response)) throw error;
  // An error of the whole request has an answer without partitions, which says nothing.
  if (!Array.isArray(response.responses) || response.responses.length === 0) throw error;
  return response as fetchV17.FetchResponse;
}

const isControl = 0b10_0000;
const isTimeOfLog = 0b1000;

/** The records from an offset on: batches may begin before it. */
export function recordsOf(batches: readonly RecordsBatch[], from: number): KafkaRecord[] {
  const records: KafkaRecord[] = [];
  for (const batch of batches) {
    if ((batch.attributes & isControl) !== 0) continue;
    const base = Number(batch.firstOffset);
    for (const record of batch.records) {
      const offset = base + record.offsetDelta;
      if (offset < from) continue;
      const timestamp =
        (batch.attributes & isTimeOfLog) === 0
          ? batch.firstTimestamp + record.timestampDelta
          : batch.maxTimestamp;
      records.push({
        offset,
        timestampMs: Number(timestamp),
        key: record.key?.toString() ?? "",
        value: record.value?.toString() ?? null,
        header: (name) => record.headers.find(([key]) => key?.toString() === name)?.[1]?.toString(),
      });
    }
  }
  return records;
}

/** The offset after all that was fetched; control records take offsets too. */
export function nextOffset(batches: readonly RecordsBatch[], from: number): number {
  const last = batches.at(-1);
  return last === undefined ? from : Math.max(from, Number(last.firstOffset) + last.lastOffsetDelta + 1);
}
