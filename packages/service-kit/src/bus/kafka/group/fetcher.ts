import type { ClusterMetadata } from "@platformatic/kafka";
import { pause } from "../../../concurrency/retry.ts";
import { Wakeup } from "../../../concurrency/wakeup.ts";
import type { Logger } from "../../../telemetry/logging.ts";
import { isKafkaOutage } from "../errors.ts";
import type { KafkaLink } from "../link.ts";
import { listOffsets } from "../positions.ts";
import { type FetchedPartition, fetchRecords, nextOffset, offsetOutOfRange, recordsOf } from "../records.ts";
import type { PartitionReader } from "./partition-reader.ts";

export interface FetcherOptions {
  /** Of its own: a fetch waits in its request for records. */
  readonly link: KafkaLink;
  readonly topics: readonly string[];
  readonly readers: () => Iterable<PartitionReader>;
  /** The topic was made anew, and what the reader knows of it says nothing any more. */
  readonly onReplaced: (reader: PartitionReader) => void;
  readonly logger: Logger;
}

/** How long a broker waits for records: a partition that gets room meanwhile joins in the next request. */
const maxWaitMs = 100;
/** Bytes of one partition in one answer; a batch that is larger comes nevertheless. */
const partitionBytes = 256 * 1024;
const retryMs = 100;

/** Fetches for all partitions that this member reads, with one request at a time under way to each broker. */
export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #stopping = new AbortController();
  readonly #wakeup = new Wakeup();
  readonly #underWay = new Map<number, Promise<void>>();
  readonly #loop: Promise<void>;
  #isStale = false;

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  /** There are other readers, or there is room: it looks at once. */
  wake(): void {
    this.#wakeup.give();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#loop;
    await Promise.all(this.#underWay.values());
  }

  async #run(): Promise<void> {
    const { link, topics } = this.#options;
    while (!this.#stopping.signal.aborted) {
      const taken = this.#wakeup.take();
      try {
        const metadata = await link.metadata(topics, this.#isStale);
        this.#isStale = false;
        this.#fetchAll(metadata);
        await taken.given(1_000);
      } catch (error) {
        this.#report(error);
        await pause(retryMs, this.#stopping.signal);
      }
    }
  }

  #fetchAll(metadata: ClusterMetadata): void {
    const byLeader = new Map<number, PartitionReader[]>();
    for (const reader of this.#options.readers()) {
      if (!reader.hasRoom) continue;
      const topic = metadata.topics.get(reader.kafkaTopic);
      if (topic !== undefined && topic.id !== reader.log) {
        this.#options.onReplaced(reader);
        continue;
      }
      const leader = topic?.partitions[reader.partition]?.leader ?? -1;
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), reader]);
    }
    for (const [leader, readers] of byLeader) {
      if (this.#underWay.has(leader)) continue;
      const fetch = this.#fetch(metadata, leader, readers).finally(() => {
        this.#underWay.delete(leader);
        this.wake();
      });
      this.#underWay.set(leader, fetch);
    }
  }

  async #fetch(
    metadata: ClusterMetadata,
    leader: number,
    readers: readonly PartitionReader[],
  ): Promise<void> {
    const { link } = this.#options;
    const topics = Map.groupBy(readers, (reader) => reader.log);
    const asked = new Map(readers.map((reader) => [reader, reader.fetchFrom]));
    try {
      const found = await fetchRecords(link, {
        broker: metadata.brokers.get(leader),
        maxWaitMs,
        topics: new Map(
          [...topics].map(([id, some]) => [
            id,
            some.map(({ partition, fetchFrom: from }) => ({ partition, from, maxBytes: partitionBytes })),
          ]),
        ),
      });
      for (const one of found) {
        const reader = topics.get(one.topicId)?.find(({ partition }) => partition === one.partition);
        const from = reader && asked.get(reader);
        if (reader !== undefined && from !== undefined && reader.fetchFrom === from) {
          await this.#take(reader, one, from);
        }
      }
    } catch (error) {
      this.#report(error);
      this.#isStale = true;
      await pause(retryMs, this.#stopping.signal);
    }
  }

  async #take(reader: PartitionReader, found: FetchedPartition, from: number): Promise<void> {
    if (found.errorCode === 0) {
      if (found.batches.length === 0) return;
      reader.deliver(recordsOf(found.batches, from), nextOffset(found.batches, from));
    } else if (found.errorCode === offsetOutOfRange) {
      await this.#reposition(reader);
    } else {
      // Another broker leads the partition now, or elects; the next metadata tell.
      this.#isStale = true;
      await pause(retryMs, this.#stopping.signal);
    }
  }

  /** What was to be read next is not there: removed by the retention, or never written in this log. */
  async #reposition(reader: PartitionReader): Promise<void> {
    const { kafkaTopic, partition } = reader;
    const offsets = await listOffsets(this.#options.link, kafkaTopic, [partition], "earliest");
    const earliest = offsets.get(partition) ?? 0;
    const about = { topic: reader.topic, partition, position: reader.position, earliest };
    this.#options.logger.error(
      about,
      "a group's position is not in the log; it goes on at the earliest event",
    );
    reader.moveTo(earliest);
  }

  #report(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    if (isKafkaOutage(error)) this.#options.logger.debug({ err: error }, "a fetch waits for Kafka");
    else this.#options.logger.error({ err: error }, "a fetch failed and is tried again");
  }
}
