import { settled } from "@payflow/service-kit/store/redis.ts";
import { connectStreams } from "@payflow/service-kit/streams/connect.ts";
import { eachBatch } from "@payflow/service-kit/streams/each-batch.ts";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import { startGroup } from "@payflow/service-kit/streams/group.ts";
import { streamKeys } from "@payflow/service-kit/streams/keys.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { shopsMerchant } from "./payment-events.ts";

export const accountingGroup = "demo-accounting";
/** What the program has not learnt to read. */
export const unreadableRange = "a lot";

/**
 * A program that books what the event streams hold, by the library that exporters are built on. At first it
 * cannot make sense of one range of amounts.
 */
export class Accounting {
  /** The sequence numbers of the shop's events that it has booked, in the order in which it did. */
  readonly booked: number[] = [];
  isMended = false;
  #stop: () => Promise<void> = async () => {};

  /** Begins to read, from the oldest event on. */
  async start(streamsUrl: string): Promise<void> {
    const logger = createLogger("demo", "silent");
    const redis = connectStreams(streamsUrl, "demo-accounting", logger);
    const keys = streamKeys("ingest");
    await settled(redis);
    const group = await startGroup({
      ...{ redis, keys, logger, metrics: new Metrics("demo") },
      partitions: Number(await redis.hget(keys.plan(), "partitions")),
      group: accountingGroup,
      kind: "outside",
      maxBatch: 500,
      maxPending: 1_000,
      open: eachBatch(async (entries) => this.#book(entries)),
    });
    this.#stop = async () => {
      await group.stop();
      redis.disconnect();
    };
  }

  async stop(): Promise<void> {
    await this.#stop();
  }

  #book(entries: readonly StreamEntry[]): void {
    const own = entries.filter((entry) => entry.merchant === shopsMerchant);
    for (const entry of own) {
      const { amount_bucket: range } = JSON.parse(entry.event);
      if (range === unreadableRange && !this.isMended) throw new Error(`"${range}" is no range of amounts`);
    }
    this.booked.push(...own.map((entry) => entry.sequence));
  }
}
