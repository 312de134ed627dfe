import type { Topic } from "@payflow/contracts/events.ts";
import type { Redis } from "ioredis";
import { entryTimeMs } from "../../store/entry-id.ts";
import { redisTimeMs } from "../../store/redis.ts";
import type { GroupLag, TopicLag } from "../bus.ts";
import { topicsOfGroup } from "../groups.ts";
import { type Keys, partitions } from "./keys.ts";

/** How far a group is behind, from its stored positions and Redis's clock. */
export async function readLag(redis: Redis, keys: Keys, group: string): Promise<GroupLag> {
  const nowMs = await redisTimeMs(redis);
  const topicLags = await Promise.all(
    topicsOfGroup(group).map((topic) => readTopicLag(redis, keys, group, topic, nowMs)),
  );
  return {
    group,
    events: topicLags.reduce((sum, lag) => sum + lag.events, 0),
    seconds: Math.max(0, ...topicLags.map((lag) => lag.seconds)),
    topics: topicLags,
  };
}

async function readTopicLag(
  redis: Redis,
  keys: Keys,
  group: string,
  topic: Topic,
  nowMs: number,
): Promise<TopicLag> {
  const lags = await Promise.all(
    partitions.map((partition) => readPartitionLag(redis, keys.stream(topic, partition), group, nowMs)),
  );
  return {
    topic,
    events: lags.reduce((sum, lag) => sum + lag.events, 0),
    seconds: Math.max(...lags.map((lag) => lag.seconds)),
  };
}

async function readPartitionLag(redis: Redis, stream: string, group: string, nowMs: number) {
  const position = await readPosition(redis, stream, group);
  const [oldest] = await redis.xrange(stream, position === null ? "-" : `(${position.id}`, "+", "COUNT", 1);
  if (oldest === undefined) return { events: 0, seconds: 0 };
  const ageMs = nowMs - entryTimeMs(oldest[0]);
  const events = position?.lag ?? (await redis.xlen(stream));
  return { events: Math.max(events, 1), seconds: Math.max(ageMs, 0) / 1_000 };
}

async function readPosition(
  redis: Redis,
  stream: string,
  group: string,
): Promise<{ id: string; lag: number | null } | null> {
  // XINFO GROUPS answers a list of names and values in turn for each group.
  const groups = (await redis.xinfo("GROUPS", stream).catch(absentAsEmpty)) as unknown[][];
  for (const one of groups) {
    const field = (name: string) => one[one.indexOf(name) + 1];
    if (field("name") === group) {
      const lag = field("lag");
      return { id: String(field("last-delivered-id")), lag: typeof lag === "number" ? lag : null };
    }
  }
  return null;
}

/** A stream that does not exist has no groups; every other error stays one. */
function absentAsEmpty(error: unknown): unknown[] {
  if (error instanceof Error && error.message.includes("no such key")) return [];
  throw error;
}
