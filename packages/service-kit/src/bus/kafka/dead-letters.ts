import { DomainError } from "@payflow/contracts/errors.ts";
import type { Topic } from "@payflow/contracts/events.ts";
import type { DeadLetter, DeadLetterPage, DeadLetterQuery, DeadLetters, RedriveRequest } from "../bus.ts";
import type { NewLetter } from "../deliveries.ts";
import { isTopic } from "../groups.ts";
import {
  compareLetterIds,
  entryOfLetter,
  isLetterId,
  topicOfLetter,
  topicsOfLetters,
} from "../letter-ids.ts";
import { groupHeader } from "./group/partition-reader.ts";
import type { KafkaLink } from "./link.ts";
import type { Names } from "./names.ts";
import { listOffsets } from "./positions.ts";
import { fetchRecords, type KafkaRecord, nextOffset, recordsOf } from "./records.ts";
import type { Sender } from "./sender.ts";

/** Letters read at once, from the newest back. */
const chunk = 200;
const chunkBytes = 1024 * 1024;
/** Letters put back with one pair of requests. */
const redriveStep = 100;

/**
 * The dead letters of all groups: a topic `<topic>.dlq` of one partition for each topic. The record of a
 * letter has the event as its value and what is known of its failure as headers; its key is the event's
 * place, so that an event buried twice is one letter, and an empty record of it says that it was redriven.
 */
export class KafkaDeadLetters implements DeadLetters {
  constructor(
    private readonly link: KafkaLink,
    private readonly sender: Sender,
    private readonly names: Names,
  ) {}

  /** Appends a letter; `from` names the place of its event. */
  async bury(topic: Topic, from: string, letter: NewLetter): Promise<void> {
    const headers = {
      group: letter.group,
      event_id: letter.event_id ?? "",
      key: letter.key,
      reason: letter.reason,
      tries: String(letter.tries),
      first_failed_at: letter.first_failed_at,
      last_failed_at: letter.last_failed_at,
    };
    await this.sender.send([
      { topic: this.names.deadLetters(topic), key: from, value: letter.envelope, headers },
    ]);
  }

  async list(query: DeadLetterQuery): Promise<DeadLetterPage> {
    const { after, group, limit } = query;
    if (after !== undefined && !isLetterId(after)) throw new DomainError("invalid_cursor");
    const found: DeadLetter[] = [];
    for (const topic of topicsOfLetters(group, query.topic)) {
      let count = 0;
      for await (const { letter } of this.#newestFirst(topic, group)) {
        if (after !== undefined && compareLetterIds(letter.id, after) >= 0) continue;
        found.push(letter);
        count += 1;
        if (count > limit) break;
      }
    }
    found.sort((left, right) => compareLetterIds(right.id, left.id));
    const letters = found.slice(0, limit);
    return { letters, next: found.length > limit ? (letters.at(-1)?.id ?? null) : null };
  }

  async redrive({ group, topic, ids, limit }: RedriveRequest): Promise<number> {
    const wanted = ids === undefined ? null : new Set(ids.filter(isLetterId));
    const named = wanted && [...new Set([...wanted].map(topicOfLetter))].filter(isTopic);
    let count = 0;
    for (const one of named ?? topicsOfLetters(group, topic)) {
      // Their ids alone: with all the letters of a bad day this would be too much to hold.
      const places: { id: string; key: string }[] = [];
      for await (const { letter, key } of this.#newestFirst(one, group)) {
        if (wanted === null || wanted.has(letter.id)) places.push({ id: letter.id, key });
      }
      const oldest = places.reverse().slice(0, limit - count);
      for (let at = 0; at < oldest.length; at += redriveStep) {
        await this.#putBack(one, group, oldest.slice(at, at + redriveStep));
      }
      count += oldest.length;
    }
    return count;
  }

  async #putBack(topic: Topic, group: string, places: readonly { id: string; key: string }[]): Promise<void> {
    const events = [];
    for (const { id } of places) {
      const offset = Number(entryOfLetter(id).split("-")[1]);
      const [record] = await this.#read(topic, offset, offset + 1);
      // Compaction has removed it since: another redrive was faster.
      if (record === undefined || record.value === null) continue;
      events.push({
        topic: this.names.topic(topic),
        key: record.header("key") ?? "",
        value: record.value,
        headers: { [groupHeader]: group },
      });
    }
    await this.sender.send(events);
    // Last, so that a crash in between brings a letter back twice and never loses it.
    await this.sender.send(places.map(({ key }) => ({ topic: this.names.deadLetters(topic), key })));
  }

  /** A group's letters that were not redriven. */
  async *#newestFirst(topic: Topic, group: string): AsyncIterable<{ letter: DeadLetter; key: string }> {
    const kafkaTopic = this.names.deadLetters(topic);
    const first = (await listOffsets(this.link, kafkaTopic, [0], "earliest")).get(0) ?? 0;
    const seen = new Set<string>();
    let end = (await listOffsets(this.link, kafkaTopic, [0], "end")).get(0) ?? 0;
    while (end > first) {
      const start = Math.max(end - chunk, first);
      const records = await this.#read(topic, start, end);
      for (const record of records.reverse()) {
        // Of several records of one key the newest is what holds.
        if (seen.has(record.key)) continue;
        seen.add(record.key);
        if (record.value !== null && record.header("group") === group) {
          yield { letter: toLetter(topic, record), key: record.key };
        }
      }
      end = start;
    }
  }

  async #read(topic: Topic, start: number, end: number): Promise<KafkaRecord[]> {
    const kafkaTopic = this.names.deadLetters(topic);
    const metadata = await this.link.metadata([kafkaTopic]);
    const found = metadata.topics.get(kafkaTopic);
    const broker = metadata.brokers.get(found?.partitions[0]?.leader ?? -1);
    const records: KafkaRecord[] = [];
    for (let from = start; from < end; ) {
      const topics = new Map([[found?.id ?? "", [{ partition: 0, from, maxBytes: chunkBytes }]]]);
      const [part] = await fetchRecords(this.link, { broker, topics, maxWaitMs: 0 });
      if (part === undefined || part.batches.length === 0) break;
      for (const record of recordsOf(part.batches, from)) if (record.offset < end) records.push(record);
      from = nextOffset(part.batches, from);
    }
    return records;
  }
}

function toLetter(topic: Topic, record: KafkaRecord): DeadLetter {
  const header = (name: string) => record.header(name) ?? "";
  return {
    id: `${topic}/${record.timestampMs}-${record.offset}`,
    topic,
    group: header("group"),
    event_id: header("event_id") === "" ? null : header("event_id"),
    key: header("key"),
    reason: header("reason"),
    tries: Number(header("tries")),
    first_failed_at: header("first_failed_at"),
    last_failed_at: header("last_failed_at"),
    envelope: record.value ?? "",
  };
}
