import { topics } from "@payflow/contracts/events.ts";
import { ConfigResourceTypes } from "@platformatic/kafka";
import { pause } from "../../concurrency/retry.ts";
import { ConfigError } from "../../process/config.ts";
import type { Logger } from "../../telemetry/logging.ts";
import { deadLetterDays } from "../bus.ts";
import { isAnswer, isKafkaOutage } from "./errors.ts";
import type { KafkaLink } from "./link.ts";
import type { Names } from "./names.ts";
import { listOffsets } from "./positions.ts";

/** What topics are made with; the settings of the same names. */
export interface KafkaTopicSettings {
  readonly KAFKA_PARTITIONS: number;
  readonly KAFKA_REPLICATION: number;
  readonly KAFKA_RETENTION_HOURS: number;
}

/** It may pass: a cluster that starts has one broker at first. */
export class TooFewBrokers extends ConfigError {}

interface Wanted {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly configs: Readonly<Record<string, string>>;
}

const hourMs = 3_600_000;
/** How long a broker may take to hear that it leads a topic that was just made. */
const leadersMs = 5_000;

function wantedTopics(names: Names, settings: KafkaTopicSettings): Wanted[] {
  const { KAFKA_REPLICATION: replicas, KAFKA_PARTITIONS: partitions } = settings;
  const common = {
    // Lag in seconds is by the broker's clock.
    "message.timestamp.type": "LogAppendTime",
    "min.insync.replicas": String(leastInSync(replicas)),
  };
  const events = {
    ...common,
    "cleanup.policy": "delete",
    "retention.ms": String(settings.KAFKA_RETENTION_HOURS * hourMs),
  };
  // A letter that was redriven is followed by an empty record of its key.
  const letters = {
    ...common,
    "cleanup.policy": "compact,delete",
    "retention.ms": String(deadLetterDays * 24 * hourMs),
  };
  return topics.flatMap((topic) => [
    { name: names.topic(topic), partitions, replicas, configs: events },
    // In one partition they have one order.
    { name: names.deadLetters(topic), partitions: 1, replicas, configs: letters },
  ]);
}

/** With three copies two are written before an event is acknowledged, so that losing one loses nothing. */
const leastInSync = (replicas: number) => (replicas >= 3 ? 2 : 1);

/**
 * Makes the topics that are missing and looks at the others; returns for how many seconds each topic of
 * events keeps them, where it is not for ever. Throws `ConfigError` where one would lose events, or where
 * none can be made; differences that lose nothing are logged.
 */
export async function prepareTopics(
  link: KafkaLink,
  names: Names,
  settings: KafkaTopicSettings,
  logger: Logger,
): Promise<ReadonlyMap<string, number>> {
  const wanted = wantedTopics(names, settings);
  const present = new Set(await link.ask((admin) => admin.listTopics()));
  const missing = wanted.filter(({ name }) => !present.has(name));
  await makeTopics(link, missing);
  const found = await checkTopics(
    link,
    wanted.filter(({ name }) => present.has(name)),
    logger,
  );
  await awaitLeaders(
    link,
    wanted.map(({ name }) => name),
  );
  const keptMs = (name: string) => Number(found.get(name) ?? settings.KAFKA_RETENTION_HOURS * hourMs);
  return new Map(
    topics
      .map((topic) => [topic, keptMs(names.topic(topic)) / 1_000] as const)
      .filter(([, seconds]) => seconds > 0),
  );
}

async function makeTopics(link: KafkaLink, missing: readonly Wanted[]): Promise<void> {
  const kinds = Map.groupBy(missing, ({ configs }) => configs);
  for (const [configs, some] of kinds) {
    try {
      await link.ask((admin) =>
        admin.createTopics({
          topics: some.map(({ name: topic, partitions, replicas }) => ({ topic, partitions, replicas })),
          configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
        }),
      );
    } catch (error) {
      throw refusalOf(error, some) ?? error;
    }
  }
  if (missing.length > 0)
    await link.metadata(
      missing.map(({ name }) => name),
      true,
    );
}

/**
 * Waits until the topics' leaders take requests: what is sent before is refused, as with brokers away. A
 * partition that has none is not waited for; the others are used meanwhile.
 */
async function awaitLeaders(link: KafkaLink, names: readonly string[]): Promise<void> {
  const untilMs = performance.now() + leadersMs;
  while (performance.now() < untilMs) {
    try {
      const { topics: found } = await link.metadata(names, true);
      const asked = [...found].map(([name, { partitionsCount }]) =>
        listOffsets(link, name, [...Array(partitionsCount).keys()], "end"),
      );
      await Promise.all(asked);
      return;
    } catch (error) {
      if (!isKafkaOutage(error)) throw error;
      await pause(100);
    }
  }
}

function refusalOf(error: unknown, some: readonly Wanted[]): Error | null {
  if (isAnswer(error, "INVALID_REPLICATION_FACTOR")) {
    const replicas = some[0]?.replicas;
    return new TooFewBrokers([
      `KAFKA_REPLICATION is ${replicas}, and Kafka has fewer brokers now; where one copy is enough set it to 1`,
    ]);
  }
  if (isAnswer(error, "TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "POLICY_VIOLATION")) {
    const list = some.map(({ name, partitions }) => `${name} (${partitions} partitions)`).join(", ");
    return new ConfigError([`Kafka does not let this user make topics; make them before the start: ${list}`]);
  }
  return null;
}

/** Another app that starts at the same time may be the one that makes a topic. */
export function isMadeMeanwhile(error: unknown): boolean {
  return isAnswer(error, "TOPIC_ALREADY_EXISTS");
}

/** Looks at the topics that are there; returns the retention of each in ms, where it may be read. */
async function checkTopics(
  link: KafkaLink,
  present: readonly Wanted[],
  logger: Logger,
): Promise<ReadonlyMap<string, string>> {
  const retentions = new Map<string, string>();
  if (present.length === 0) return retentions;
  const metadata = await link.metadata(
    present.map(({ name }) => name),
    true,
  );
  const configs = await readConfigs(link, present);
  const problems: string[] = [];
  for (const topic of present) {
    const found = metadata.topics.get(topic.name);
    const copies = found?.partitions[0]?.replicas.length ?? 0;
    if (copies < topic.replicas) {
      problems.push(`${topic.name} has ${copies} copies, fewer than KAFKA_REPLICATION (${topic.replicas})`);
    }
    if (found !== undefined && found.partitionsCount !== topic.partitions) {
      const about = { topic: topic.name, partitions: found.partitionsCount, wanted: topic.partitions };
      logger.warn(about, "a topic of Kafka has another number of partitions, and is used as it is");
    }
    const config = configs.get(topic.name);
    if (config === undefined) continue;
    problems.push(...lossesOf(topic, config, copies));
    const retentionMs = config.get("retention.ms");
    if (typeof retentionMs === "string") retentions.set(topic.name, retentionMs);
    if (retentionMs !== topic.configs["retention.ms"]) {
      logger.warn({ topic: topic.name, retentionMs }, "a topic of Kafka keeps its events for another time");
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return retentions;
}

/** What of a topic's configuration loses events. */
function lossesOf(topic: Wanted, config: ReadonlyMap<string, string | null>, copies: number): string[] {
  const problems: string[] = [];
  const policy = config.get("cleanup.policy") ?? "";
  const isLetters = topic.configs["cleanup.policy"]?.includes("compact");
  if (policy.includes("compact") !== isLetters) {
    problems.push(`${topic.name}: set cleanup.policy to ${topic.configs["cleanup.policy"]}; it is ${policy}`);
  }
  const least = leastInSync(topic.replicas);
  if (copies >= topic.replicas && Number(config.get("min.insync.replicas") ?? least) < least) {
    problems.push(`${topic.name}: set min.insync.replicas to ${least}; else a crash may lose events`);
  }
  if (config.get("unclean.leader.election.enable") === "true") {
    problems.push(`${topic.name}: set unclean.leader.election.enable to false; else a crash may lose events`);
  }
  return problems;
}

/** The topics' configurations; none where this user may not read them, as managed clusters may have it. */
async function readConfigs(
  link: KafkaLink,
  some: readonly Wanted[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, string | null>>> {
  const resources = some.map(({ name }) => ({
    resourceType: ConfigResourceTypes.TOPIC,
    resourceName: name,
  }));
  try {
    const described = await link.ask((admin) => admin.describeConfigs({ resources }));
    return new Map(
      described.map(({ resourceName, configs }) => [
        resourceName,
        new Map(configs.map(({ name, value }) => [name, value ?? null])),
      ]),
    );
  } catch (error) {
    if (isAnswer(error, "TOPIC_AUTHORIZATION_FAILED")) return new Map();
    throw error;
  }
}
