import type { ReadinessCheck } from "@payflow/service-kit/process/health.ts";
import { createCursors } from "@payflow/service-kit/store/paging.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { openLetters, type ReadLetters } from "./dead-letters/read-letters.ts";
import { openStreams, type ReadStreams } from "./overview/read-streams.ts";
import { memoryMarks, StoragePressure } from "./pressure.ts";
import { openRegistry } from "./registry.ts";
import { startStreamsUpkeep } from "./upkeep/upkeep.ts";

export interface StreamsOptions {
  /** A connection for upkeep and for what routes ask; best not the writer's. */
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  /** Whether the event bus lives in the same Redis. */
  readonly isShared: boolean;
  readonly retentionSeconds: number;
  /** Events that wait in this process to be stored; left out where it stores none. */
  readonly queued?: () => number;
  /** Seals the cursors of lists. */
  readonly secret: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The streams as one process looks after them, and what its routes need of them. */
export interface Streams extends ReadStreams, ReadLetters {
  /** Fails while nothing can be taken. */
  readonly readiness: ReadinessCheck;
  stop(): Promise<void>;
}

/** An exporter that is a day behind is somebody's trouble, and taking less leaves more time to end it. */
const unreadSeconds = { soft: 86_400 };
/** Of the 50,000 events that the writer lets wait, a second of what one process can store. */
const queued = { soft: 25_000, hard: 45_000 };

/** Begins to look after the streams; Redis may be away. */
export function startStreams(options: StreamsOptions): Streams {
  const { redis, keys, partitions, isShared } = options;
  const pressure = new StoragePressure({ memory: memoryMarks(isShared), unreadSeconds, queued });
  const registry = openRegistry(redis, keys, partitions);
  const upkeep = startStreamsUpkeep({ queued: () => 0, ...options, registry, pressure });
  return {
    ...{ redis, keys, partitions, registry, pressure },
    streams: openStreams(redis, keys, partitions),
    letters: openLetters(redis, keys, partitions),
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
