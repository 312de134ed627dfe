import type { ReadinessCheck } from "@payflow/service-kit/process/health.ts";
import { type Cursors, createCursors } from "@payflow/service-kit/store/paging.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { LettersStore } from "./dead-letters/letters.store.ts";
import { createStreamsStore, type StreamsStore } from "./overview/streams.store.ts";
import { memoryMarks, type PressureMarks, StoragePressure } from "./pressure.ts";
import { createRegistryStore } from "./registry.store.ts";
import { createRegistry, type GroupRegistry } from "./registry.ts";
import { createTrimStore } from "./upkeep/trim.store.ts";
import { startStreamsUpkeep } from "./upkeep/upkeep.ts";

export interface StreamsOptions {
  /** A connection for upkeep and for what routes ask; best not the writer's. */
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  /** Whether the event bus lives in the same Redis. */
  readonly isShared: boolean;
  readonly retentionSeconds: number;
  /** Events that wait in this process to be stored. */
  readonly queued: () => number;
  /** Seals the cursors of lists. */
  readonly secret: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The streams as one process looks after them, and what its routes need of them. */
export interface Streams {
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  readonly registry: GroupRegistry;
  readonly pressure: StoragePressure;
  readonly streams: StreamsStore;
  readonly letters: LettersStore;
  readonly cursors: Cursors;
  readonly readiness: ReadinessCheck;
  stop(): Promise<void>;
}

/** An exporter that is a day behind is somebody's trouble, and taking less leaves more time to end it. */
const unreadSeconds = 86_400;
/** Events in memory: a few seconds of what one process can store. */
const queued = { soft: 50_000, hard: 100_000 };

/** Begins to look after the streams; Redis may be away. */
export function startStreams(options: StreamsOptions): Streams {
  const { redis, keys, partitions } = options;
  const marks: PressureMarks = {
    memory: memoryMarks(options.isShared),
    unreadSeconds: { soft: unreadSeconds },
    queued,
  };
  const pressure = new StoragePressure(marks);
  const registry = createRegistry(createRegistryStore(redis, keys, partitions));
  const streams = createStreamsStore(redis, keys, partitions);
  const trim = createTrimStore(redis, keys);
  const upkeep = startStreamsUpkeep({ ...options, registry, pressure, trim, streams });
  return {
    ...{ redis, keys, partitions, registry, pressure, streams },
    letters: new LettersStore(redis, keys, partitions),
    cursors: createCursors(options.secret),
    readiness: {
      name: "stream_storage",
      async check() {
        if (pressure.level === "hard") throw new Error("the streams' storage is above its high-water mark");
      },
    },
    stop: () => upkeep.stop(),
  };
}
