import { DomainError } from "@payflow/contracts/errors.ts";
import { type Rounds, startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { isRedisOutage, settled } from "@payflow/service-kit/store/redis.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { HeldPartition, PartitionConsumer } from "@payflow/service-kit/streams/consumer.ts";
import { type RunningGroup, startGroup } from "@payflow/service-kit/streams/group.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { Static } from "@sinclair/typebox";
import type { ingestSettings } from "../config.ts";
import { openRegistry } from "../streams/registry.ts";
import { countEntries } from "./count-entries.ts";
import type { Thresholds } from "./detection/judge.ts";
import { partitionCounts } from "./partition-counts.store.ts";
import { partitionMinutes } from "./partition-minutes.store.ts";
import type { ReadProcessors } from "./read-processors.ts";
import { rollMinutes } from "./roll-minutes.ts";
import { sendChanges, toldCounter } from "./send-changes.ts";
import { tenantFigures } from "./tenant-figures.store.ts";

/** The consumer group that counts. */
const group = "insights";

/** Large batches, since each costs the same two steps; nobody waits for figures of the last half second. */
const batches = { maxBatch: 1_000, maxPending: 2_000, lingerMs: 500 };
/** The partition whose reader brings minutes together and tells of changes, so that one replica does. */
const upkeepPartition = 0;
const rollEveryMs = 1_000;
const sendEveryMs = 5_000;

export interface InsightsStreams {
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
}

/** What reading and rolling use; their connection is best not the writer's. */
export function insightsStores({ redis, keys, partitions }: InsightsStreams): ReadProcessors {
  return {
    minutes: partitionMinutes(redis, keys, partitions, group),
    figures: tenantFigures(redis, keys),
  };
}

type Settings = Static<typeof ingestSettings>;

export interface InsightsOptions extends InsightsStreams, ReadProcessors {
  readonly settings: Pick<Settings, Extract<keyof Settings, `INSIGHTS_${string}`>>;
  readonly notifier: InternalClient;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Counts what arrives and judges processors, shared with the other replicas; `redis` is the group's own
 * connection. Resolves also while Redis is away.
 */
export async function startInsights(options: InsightsOptions): Promise<RunningGroup> {
  const { redis, keys, partitions, settings, logger, metrics } = options;
  const counting = {
    counts: partitionCounts(keys),
    lateMs: settings.INSIGHTS_LATE_SECONDS * 1_000,
    counted: metrics.counter("payflow_insights_events_total", "Events counted for insights."),
  };
  const startUpkeep = upkeep(options);
  const open = (partition: HeldPartition): PartitionConsumer => {
    const running = partition.number === upkeepPartition ? startUpkeep() : [];
    return {
      ...countEntries(counting, partition),
      close: async () => {
        await Promise.all(running.map((rounds) => rounds.stop()));
      },
    };
  };
  await comeBack(options);
  return startGroup({ redis, keys, partitions, group, ...batches, logger, metrics, open });
}

/** A group that an admin has removed stays away until a process starts, and no longer. */
async function comeBack({ redis, keys, partitions, logger }: InsightsOptions): Promise<void> {
  await settled(redis);
  try {
    await openRegistry(redis, keys, partitions).register(group, group, "0");
  } catch (error) {
    // Where it was never removed it registers itself, once Redis is back.
    if (!(error instanceof DomainError)) throw error;
    logger.warn({ err: error }, "insights that were removed stay away until the next start");
  }
}

function thresholdsOf(settings: InsightsOptions["settings"]): Thresholds {
  return {
    leastOutcomes: settings.INSIGHTS_LEAST_OUTCOMES,
    rise: settings.INSIGHTS_RISE_PERCENT / 100,
    deviations: settings.INSIGHTS_DEVIATIONS,
    alone: settings.INSIGHTS_ALONE_PERCENT / 100,
  };
}

/** What one replica does for all: bringing minutes together, and telling notifier of what changed. */
function upkeep(options: InsightsOptions): () => readonly Rounds[] {
  const { figures, logger, metrics } = options;
  const thresholds = thresholdsOf(options.settings);
  const seconds = metrics.histogram("payflow_insights_roll_seconds", "Time to bring ended minutes together.");
  const told = toldCounter(metrics);
  return () => {
    /** Owners with changes to tell; what a killed replica left is among those that are watched. */
    const pending = new Set<string>();
    let isComplete = false;
    const sending = startRounds({
      logger,
      failure: "changes of processors wait for notifier",
      everyMs: sendEveryMs,
      round: unlessAway(async (signal) => {
        if (!isComplete) for (const owner of await figures.watched()) pending.add(owner);
        isComplete = true;
        await sendChanges({ ...options, told }, pending, signal);
      }),
    });
    const onPending = (owner: string) => {
      pending.add(owner);
      sending.wake();
    };
    const rolling = startRounds({
      logger,
      failure: "figures of processors could not be brought together",
      everyMs: rollEveryMs,
      round: unlessAway(async (signal) => {
        const end = seconds.startTimer();
        await rollMinutes({ ...options, thresholds, onPending }, signal);
        end();
      }),
    });
    return [sending, rolling];
  };
}

/** A round that waits for Redis says nothing: the connection has told of the outage. */
function unlessAway(round: (signal: AbortSignal) => Promise<void>) {
  return async (signal: AbortSignal): Promise<undefined> => {
    await round(signal).catch((error: unknown) => {
      if (!isRedisOutage(error)) throw error;
    });
  };
}
