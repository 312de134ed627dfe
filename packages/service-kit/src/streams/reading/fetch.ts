import { Cluster, type Redis } from "ioredis";
import { coalesce } from "../../concurrency/coalesce.ts";
import { backoffMs, pause } from "../../concurrency/retry.ts";
import { isRedisOutage } from "../../store/redis.ts";
import type { StreamsRedis } from "../connect.ts";
import type { RawEntry } from "../entry.ts";
import type { StreamKeys } from "../keys.ts";
import { ArrivalWatch } from "./arrivals.ts";

export interface FetchRequest {
  readonly partition: number;
  readonly after: string;
  readonly count: number;
  readonly signal: AbortSignal;
}

/** Reads partitions. Reading changes nothing in Redis, so that it needs no lease. */
export interface Fetch {
  /** The next entries; waits for some, and may resolve without any after a few seconds or with the signal. */
  read(request: FetchRequest): Promise<readonly RawEntry[]>;
  close(): void;
}

/** Entries of one call at most: Redis does nothing else meanwhile. */
const maxEntries = 2_000;

/** How a group of this connection reads: several partitions in one call where one server holds them all. */
export function openFetch(redis: StreamsRedis, keys: StreamKeys, maxBatch: number): Fetch {
  return redis instanceof Cluster ? new PollingFetch(redis, keys) : new JoinedFetch(redis, keys, maxBatch);
}

type Read = [stream: string, entries: RawEntry[]][];

/** The partitions of a cluster lie on several servers: each is asked for, less often while nothing comes. */
class PollingFetch implements Fetch {
  constructor(
    private readonly redis: Cluster,
    private readonly keys: StreamKeys,
  ) {}

  async read({ partition, after, count, signal }: FetchRequest): Promise<readonly RawEntry[]> {
    const stream = this.keys.events(partition);
    for (let asked = 1; asked <= 20 && !signal.aborted; asked += 1) {
      // ioredis answers XREAD as a list of pairs in the protocol's version 2, which it speaks.
      const reply = (await this.redis.xread("COUNT", count, "STREAMS", stream, after)) as Read | null;
      const [first] = reply ?? [];
      if (first !== undefined) return first[1];
      await pause(backoffMs({ firstMs: 20, maxMs: 250 }, asked), signal);
    }
    return [];
  }

  close(): void {}
}

/** One server: what several partitions ask for at the same time is one call, and so is waiting. */
class JoinedFetch implements Fetch {
  readonly #watch: ArrivalWatch;
  readonly #now: (request: FetchRequest) => Promise<readonly RawEntry[]>;

  constructor(redis: Redis, keys: StreamKeys, maxBatch: number) {
    this.#watch = new ArrivalWatch(redis, keys, maxBatch);
    this.#now = coalesce<FetchRequest, readonly RawEntry[]>({
      maxBatch: Math.max(1, Math.floor(maxEntries / maxBatch)),
      isOutage: isRedisOutage,
      async run(requests) {
        const streams = requests.map((request) => keys.events(request.partition));
        const count = Math.max(...requests.map((request) => request.count));
        const positions = requests.map((request) => request.after);
        const reply = await redis.xread("COUNT", count, "STREAMS", ...streams, ...positions);
        // ioredis answers XREAD as a list of pairs in the protocol's version 2, which it speaks.
        const read = new Map((reply as Read | null) ?? []);
        return requests.map((request, index) =>
          (read.get(streams[index] ?? "") ?? []).slice(0, request.count),
        );
      },
    });
  }

  async read(request: FetchRequest): Promise<readonly RawEntry[]> {
    const entries = await this.#now(request);
    if (entries.length > 0 || request.signal.aborted) return entries;
    return this.#watch.wait(request);
  }

  close(): void {
    this.#watch.close();
  }
}
