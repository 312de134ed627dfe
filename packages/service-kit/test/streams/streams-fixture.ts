import type { Mode } from "@payflow/contracts/access.ts";
import { settled } from "../../src/store/redis.ts";
import { connectStreams, type StreamsRedis } from "../../src/streams/connect.ts";
import type { HeldPartition } from "../../src/streams/consumer.ts";
import { eachBatch } from "../../src/streams/each-batch.ts";
import type { StreamEntry } from "../../src/streams/entry.ts";
import { type GroupOptions, type RunningGroup, startGroup } from "../../src/streams/group.ts";
import { merchantKey, partitionOf, type StreamKeys, streamKeys } from "../../src/streams/keys.ts";
import { createLogger } from "../../src/telemetry/logging.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

export interface TestEntry {
  readonly tenantId?: string;
  readonly mode?: Mode;
  readonly merchant: string;
  readonly sequence: number;
}

export interface Space {
  readonly urls: string;
  readonly prefix: string;
  readonly partitions: number;
}

export const testTenant = "ten_01h0000000000000000000000t";

/** Streams of one test's own. Whatever is opened through it ends with the test. */
export class StreamSpace {
  readonly keys: StreamKeys;
  readonly redis: StreamsRedis;
  readonly logger = createLogger("test", process.env.LOG_LEVEL ?? "fatal");
  readonly metrics = new Metrics("test");
  readonly #endings: (() => unknown)[] = [];

  constructor(readonly space: Space) {
    this.keys = streamKeys(space.prefix);
    this.redis = this.connect();
  }

  /** An empty space on these servers. */
  static async open(urls: string, partitions = 4): Promise<StreamSpace> {
    const space = new StreamSpace({ urls, prefix: `test-${crypto.randomUUID().slice(0, 8)}`, partitions });
    await settled(space.redis);
    return space;
  }

  connect(): StreamsRedis {
    const redis = connectStreams(this.space.urls, "test", this.logger);
    this.defer(() => redis.disconnect());
    return redis;
  }

  defer(end: () => unknown): void {
    this.#endings.push(end);
  }

  /** Appends events, each at the end of its merchant's partition, as ingest's writer does. */
  async append(entries: readonly TestEntry[]): Promise<void> {
    const { keys, redis, space } = this;
    await Promise.all(
      entries.map(({ tenantId = testTenant, mode = "live", merchant, sequence }) => {
        const partition = partitionOf(merchantKey(tenantId, mode, merchant), space.partitions);
        const fields = {
          tenant: tenantId,
          mode,
          merchant,
          sequence,
          id: `${merchant}-${sequence}`,
          event: "{}",
        };
        return redis.xadd(keys.events(partition), "*", ...Object.entries(fields).flat());
      }),
    );
  }

  /** The stream of a merchant of the test tenant. */
  streamOf(merchant: string): string {
    return this.keys.events(partitionOf(merchantKey(testTenant, "live", merchant), this.space.partitions));
  }

  /** A merchant for each partition. */
  merchantPerPartition(): string[] {
    const found = new Map<string, string>();
    for (const merchant of testMerchants(1_000)) {
      const stream = this.streamOf(merchant);
      if (!found.has(stream)) found.set(stream, merchant);
    }
    return [...found.values()];
  }

  /** Events of these merchants, round by round. */
  async appendRounds(merchants: readonly string[], rounds: number, from = 1): Promise<void> {
    for (let sequence = from; sequence < from + rounds; sequence += 1) {
      await this.append(merchants.map((merchant) => ({ merchant, sequence })));
    }
  }

  async start(options: Partial<GroupOptions> & Pick<GroupOptions, "open">): Promise<RunningGroup> {
    const redis = this.connect();
    await settled(redis);
    const { logger, metrics, keys } = this;
    const { partitions } = this.space;
    const group = await startGroup({
      ...{ redis, keys, partitions, logger, metrics },
      ...{ group: "exporter", maxBatch: 100, maxPending: 1_000, lingerMs: 5 },
      ...options,
    });
    this.defer(() => group.stop());
    return group;
  }

  /** Reads for a group and records what a handler took without an error. */
  async record(
    handle: (entries: readonly StreamEntry[], partition: HeldPartition) => Promise<void> = async () => {},
    options: Partial<GroupOptions> = {},
  ) {
    const entries: StreamEntry[] = [];
    const open = eachBatch(async (batch, partition) => {
      await handle(batch, partition);
      entries.push(...batch);
    });
    const group = await this.start({ ...options, open });
    return { entries, group };
  }

  /** Entries that a group has not acknowledged, over all partitions. */
  async unacknowledged(group = "exporter"): Promise<number> {
    let count = 0;
    for (let partition = 0; partition < this.space.partitions; partition += 1) {
      const stream = this.keys.events(partition);
      const groups = (await this.redis.xinfo("GROUPS", stream).catch(() => [])) as unknown[][];
      const found = groups.find((one) => one[one.indexOf("name") + 1] === group);
      const position = found === undefined ? "0-0" : String(found[found.indexOf("last-delivered-id") + 1]);
      count += (await this.redis.xrange(stream, `(${position}`, "+")).length;
      count -= (await this.redis.hkeys(this.keys.ahead(partition, group))).filter(
        (id) => id !== "step",
      ).length;
    }
    return count;
  }

  async end(): Promise<void> {
    for (const end of this.#endings.reverse()) await end();
  }
}

/** Names of merchants that no other test uses. */
export function testMerchants(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `merchant-${index}`);
}

/** As the testkit's order check wants it. */
export function numbered(entries: readonly StreamEntry[]) {
  return entries.map((entry) => ({
    key: merchantKey(entry.tenantId, entry.mode, entry.merchant),
    sequence: entry.sequence,
  }));
}
