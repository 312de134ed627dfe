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
import { type Keys, partitionOf } from "./keys.ts";
import type { ScriptedRedis } from "./scripts.ts";

/** Letters read at once while those of one group are looked for. */
const chunk = 200;

/** Fields of a dead letter's entry, as the adapter writes them. */
export function deadLetterFields(letter: NewLetter): string[] {
  return [
    ...["group", letter.group],
    ...["event_id", letter.event_id ?? ""],
    ...["key", letter.key],
    ...["reason", letter.reason],
    ...["tries", String(letter.tries)],
    ...["first_failed_at", letter.first_failed_at],
    ...["last_failed_at", letter.last_failed_at],
    ...["event", letter.envelope],
  ];
}

/** The dead letters kept in one stream per topic. An id outside Redis is `<topic>/<entry id>`. */
export class RedisDeadLetters implements DeadLetters {
  constructor(
    private readonly redis: ScriptedRedis,
    private readonly keys: Keys,
  ) {}

  async list(query: DeadLetterQuery): Promise<DeadLetterPage> {
    if (query.after !== undefined && !isLetterId(query.after)) throw new DomainError("invalid_cursor");
    const found: DeadLetter[] = [];
    for (const topic of topicsOfLetters(query.group, query.topic)) {
      found.push(...(await this.#newest(topic, query)));
    }
    found.sort((left, right) => compareLetterIds(right.id, left.id));
    const letters = found.slice(0, query.limit);
    return { letters, next: found.length > query.limit ? (letters.at(-1)?.id ?? null) : null };
  }

  async redrive(request: RedriveRequest): Promise<number> {
    const ids = request.ids ?? (await this.#oldest(request));
    let count = 0;
    for (const id of [...ids].sort(compareLetterIds)) {
      const letter = await this.#find(id);
      if (letter === null || letter.group !== request.group) continue;
      const stream = this.keys.stream(letter.topic, partitionOf(letter.key));
      const dead = this.keys.deadLetters(letter.topic);
      const channel = this.keys.arrivals(letter.topic);
      count += await this.redis.busRedrive(2, dead, stream, entryOfLetter(id), request.group, channel);
    }
    return count;
  }

  async #find(id: string): Promise<DeadLetter | null> {
    const topic = topicOfLetter(id);
    if (!isLetterId(id) || !isTopic(topic)) return null;
    const rows = await this.redis.xrange(this.keys.deadLetters(topic), entryOfLetter(id), entryOfLetter(id));
    const [row] = rows;
    return row === undefined ? null : toLetter(topic, row);
  }

  /** Up to `limit + 1` letters of a group, newest first. */
  async #newest(topic: Topic, query: DeadLetterQuery): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    let end = query.after === undefined ? "+" : endBefore(topic, query.after);
    while (letters.length <= query.limit) {
      const rows = await this.redis.xrevrange(this.keys.deadLetters(topic), end, "-", "COUNT", chunk);
      for (const row of rows) {
        const letter = toLetter(topic, row);
        if (letter.group === query.group && letters.length <= query.limit) letters.push(letter);
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < chunk) break;
      end = `(${last[0]}`;
    }
    return letters;
  }

  async #oldest(request: RedriveRequest): Promise<string[]> {
    const ids: string[] = [];
    for (const topic of topicsOfLetters(request.group, request.topic)) {
      for (let start = "-"; ids.length < request.limit; ) {
        const rows = await this.redis.xrange(this.keys.deadLetters(topic), start, "+", "COUNT", chunk);
        for (const row of rows) {
          const letter = toLetter(topic, row);
          if (letter.group === request.group && ids.length < request.limit) ids.push(letter.id);
        }
        const last = rows.at(-1);
        if (last === undefined || rows.length < chunk) break;
        start = `(${last[0]}`;
      }
    }
    return ids;
  }
}

/** Where a topic's page starts after a letter: ids of equal time are ordered by topic. */
function endBefore(topic: Topic, after: string): string {
  const isTopicLater = topic >= topicOfLetter(after);
  return isTopicLater ? `(${entryOfLetter(after)}` : entryOfLetter(after);
}

function toLetter(topic: Topic, [id, fields]: [string, string[]]): DeadLetter {
  const field = (name: string) => {
    for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return fields[at + 1] ?? "";
    return "";
  };
  return {
    id: `${topic}/${id}`,
    topic,
    group: field("group"),
    event_id: field("event_id") === "" ? null : field("event_id"),
    key: field("key"),
    reason: field("reason"),
    tries: Number(field("tries")),
    first_failed_at: field("first_failed_at"),
    last_failed_at: field("last_failed_at"),
    envelope: field("event"),
  };
}
