import { DomainError } from "@payflow/contracts/errors.ts";
import { deadLetterDays } from "@payflow/service-kit/bus/bus.ts";
import { startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import { newHolder } from "@payflow/service-kit/store/lease.ts";
import { isRedisOutage } from "@payflow/service-kit/store/redis.ts";
import { memoryShare } from "@payflow/service-kit/store/redis-memory.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import { groupLag, type PartitionState, readStates } from "@payflow/service-kit/streams/lag.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { StoragePressure } from "../pressure.ts";
import type { GroupRegistry } from "../registry.ts";
import { Flow } from "./flow.ts";
import { trimLetters, trimStreams } from "./trim-streams.ts";
import { createUpkeepStore, type UpkeepStore } from "./upkeep.store.ts";

export interface StreamsUpkeep {
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  readonly registry: GroupRegistry;
  readonly pressure: StoragePressure;
  /** Events that wait in this process to be stored. */
  readonly queued: () => number;
  readonly retentionSeconds: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const measureMs = 250;
const stateMs = 1_000;
const trimMs = 2_000;
/** The process that trims for all; another takes over when it is gone. */
const holdMs = 10_000;
const lettersMs = 60_000;
/** Below this share of memory entries that all have read are kept for the retention. */
const roomyShare = 0.4;
/** From one try to the next while Redis is away. */
const awayMs = 1_000;
const dayMs = 24 * 3_600_000;

/**
 * What every ingest process does for the streams beside its own work: it measures, and judges by that whether
 * events are taken; one of all processes trims.
 */
export function startStreamsUpkeep(deps: StreamsUpkeep): { stop(): Promise<void> } {
  const upkeep = new Upkeep(deps);
  const { logger } = deps;
  const measuring = startRounds({
    logger,
    failure: "the streams' memory could not be measured",
    everyMs: measureMs,
    round: (signal) => upkeep.measure(signal).catch(whenAway),
  });
  const trimming = startRounds({
    logger,
    failure: "the streams could not be trimmed",
    everyMs: trimMs,
    round: (signal) => upkeep.trimForAll(signal).catch(whenAway),
  });
  return {
    async stop() {
      await Promise.all([measuring.stop(), trimming.stop()]);
    },
  };
}

/** The connection tells of an outage itself: this only waits. */
function whenAway(error: unknown): number {
  const isAway = isRedisOutage(error) || (error instanceof DomainError && error.reason === "unavailable");
  if (!isAway) throw error;
  return awayMs;
}

class Upkeep {
  readonly #deps: StreamsUpkeep;
  readonly #store: UpkeepStore;
  readonly #holder = newHolder("upkeep");
  readonly #flow = new Flow();
  readonly #gauges;
  #isNoted = false;
  #memory = 0;
  #unreadSeconds = 0;
  #measuredAt = performance.now();
  #stateAt = Number.NEGATIVE_INFINITY;
  #trimmedAt = Number.NEGATIVE_INFINITY;
  #lettersAt = Number.NEGATIVE_INFINITY;

  constructor(deps: StreamsUpkeep) {
    this.#deps = deps;
    this.#store = createUpkeepStore(deps.redis, deps.keys);
    this.#gauges = upkeepGauges(deps.metrics);
  }

  async measure(signal: AbortSignal): Promise<undefined> {
    const { redis, pressure, queued, logger } = this.#deps;
    this.#memory = await memoryShare(redis);
    const now = performance.now();
    if (now - this.#stateAt >= stateMs) await this.#readState(now);
    if (pressure.wouldRefuse(this.#memory) && now - this.#trimmedAt >= stateMs) {
      // What nobody waits for goes before anybody is refused.
      this.#trimmedAt = now;
      await trimStreams({ ...this.#deps, store: this.#store }, 0, signal);
      this.#memory = await memoryShare(redis);
    }
    const hasChanged = pressure.observe({
      memory: this.#memory,
      queued: queued(),
      unreadSeconds: this.#unreadSeconds,
      drainedPerSecond: this.#flow.drainedPerSecond,
      storedPerSecond: this.#flow.storedPerSecond,
      elapsedMs: now - this.#measuredAt,
    });
    this.#measuredAt = now;
    this.#gauges.memory.set(this.#memory);
    this.#gauges.level.set({ none: 0, soft: 1, hard: 2 }[pressure.level]);
    if (hasChanged) {
      const about = { level: pressure.level, memory: this.#memory, unread_seconds: this.#unreadSeconds };
      logger[pressure.level === "none" ? "info" : "warn"](about, "the pressure on the streams has changed");
    }
    return undefined;
  }

  async #readState(now: number): Promise<void> {
    const { redis, keys, partitions, registry, pressure } = this.#deps;
    const groups = (await registry.list()).map((one) => one.group);
    pressure.setParkingFull(await this.#store.fullParkings());
    const states = await readStates(redis, keys, partitions, groups);
    this.#flow.pass(states, groups, now);
    this.#stateAt = now;
    this.#unreadSeconds = this.#observe(states, groups);
  }

  /**
   * Sets the figures of groups and streams; returns the age of the oldest event that a group has not read.
   */
  #observe(states: readonly PartitionState[], groups: readonly string[]): number {
    this.#gauges.length.set(states.reduce((sum, state) => sum + state.length, 0));
    this.#gauges.lagEvents.reset();
    this.#gauges.lagSeconds.reset();
    let oldest = 0;
    for (const group of groups) {
      const { events, seconds } = groupLag(states, group);
      this.#gauges.lagEvents.set({ group }, events);
      this.#gauges.lagSeconds.set({ group }, seconds);
      oldest = Math.max(oldest, seconds);
    }
    return oldest;
  }

  /** What was accepted is counted by month, and a sum over all must know the first. */
  async #noteFirstMonth(): Promise<void> {
    if (this.#isNoted) return;
    await this.#store.noteFirstMonth();
    this.#isNoted = true;
  }

  async trimForAll(signal: AbortSignal): Promise<undefined> {
    const { retentionSeconds } = this.#deps;
    if (!(await this.#store.isMine(this.#holder, holdMs))) return undefined;
    await this.#noteFirstMonth();
    const keptMs = this.#memory < roomyShare ? retentionSeconds * 1_000 : 0;
    await trimStreams({ ...this.#deps, store: this.#store }, keptMs, signal);
    if (performance.now() - this.#lettersAt >= lettersMs) {
      this.#lettersAt = performance.now();
      await trimLetters({ ...this.#deps, store: this.#store }, deadLetterDays * dayMs, signal);
    }
    return undefined;
  }
}

function upkeepGauges(metrics: Metrics) {
  return {
    memory: metrics.gauge("payflow_streams_memory_ratio", "Share of Redis's memory in use."),
    level: metrics.gauge(
      "payflow_streams_pressure_level",
      "0 takes all, 1 refuses the largest, 2 refuses all.",
    ),
    length: metrics.gauge("payflow_streams_stored_events", "Events in the streams."),
    lagEvents: metrics.gauge("payflow_streams_lag_events", "Events a group has not acknowledged.", ["group"]),
    lagSeconds: metrics.gauge("payflow_streams_lag_seconds", "Age of the oldest of them.", ["group"]),
  };
}
