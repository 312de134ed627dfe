import type { Mode } from "@payflow/contracts/access.ts";
import { connectStreams, type StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import { type RawEntry, type StreamEntry, toStreamEntry } from "@payflow/service-kit/streams/entry.ts";
import { merchantKey, type StreamKeys, streamKeys } from "@payflow/service-kit/streams/keys.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { AcceptedEvent } from "../../src/events/event.ts";
import type { Fitness } from "../../src/writer/link/fitness.ts";
import { StreamsLink } from "../../src/writer/link/streams-link.ts";
import { MerchantsStore } from "../../src/writer/merchants.store.ts";
import { type AppendResult, appendScripts, StreamWriter } from "../../src/writer/writer.ts";

export const testTenant = "ten_01h0000000000000000000000t";
export const otherTenant = "ten_01h0000000000000000000000v";

export interface WriterSettings {
  readonly partitions?: number;
  readonly maxMerchants?: number;
  readonly sliceMs?: number;
  readonly fitness?: Partial<Fitness>;
  /** Another account or place than the space's own. */
  readonly urls?: string;
}

export interface OpenWriter {
  readonly redis: StreamsRedis;
  readonly link: StreamsLink;
  readonly writer: StreamWriter;
  readonly metrics: Metrics;
}

/** Streams of one test's own. Whatever is opened through it ends with the test. */
export class WriterSpace {
  readonly keys: StreamKeys;
  readonly logger = createLogger("test", process.env.LOG_LEVEL ?? "silent");
  readonly redis: StreamsRedis;
  readonly #endings: (() => unknown)[] = [];

  constructor(
    readonly urls: string,
    readonly partitions = 4,
  ) {
    this.keys = streamKeys(`test-${crypto.randomUUID().slice(0, 8)}`);
    this.redis = this.connect();
  }

  connect(urls = this.urls): StreamsRedis {
    const redis = connectStreams(urls, "test-writer", this.logger);
    this.#endings.push(() => redis.disconnect());
    return redis;
  }

  /** A writer as a replica has it; `settle` false leaves a Redis that is unfit or away for later. */
  async open(settings: WriterSettings = {}, settle = true): Promise<OpenWriter> {
    const { keys, logger } = this;
    const redis = this.connect(settings.urls);
    const partitions = settings.partitions ?? this.partitions;
    const fitness: Fitness = {
      ...{ durability: "fsync", setting: "INGEST_REDIS_URL", isVouchedFor: false, bus: null },
      ...settings.fitness,
    };
    const link = new StreamsLink({ redis, keys, partitions, fitness, scripts: appendScripts, logger });
    this.#endings.push(() => link.close());
    if (settle) await link.settle(10_000);
    const merchants = new MerchantsStore(redis, keys, settings.maxMerchants ?? 1_000);
    const { sliceMs } = settings;
    const metrics = new Metrics("test");
    const writer = new StreamWriter({
      ...{ link, keys, partitions, merchants, metrics },
      ...(sliceMs === undefined ? {} : { sliceMs }),
    });
    return { redis, link, writer, metrics };
  }

  /** What is stored, partition by partition, in order. */
  async entries(): Promise<StreamEntry[]> {
    const found: StreamEntry[] = [];
    for (let partition = 0; partition < this.partitions; partition += 1) {
      const entries: RawEntry[] = await this.redis.xrange(this.keys.events(partition), "-", "+");
      found.push(...entries.map((entry) => toStreamEntry(partition, entry)));
    }
    return found;
  }

  async end(): Promise<void> {
    for (const end of this.#endings.reverse()) await end();
  }
}

export interface EventFields {
  readonly tenantId?: string;
  readonly mode?: Mode;
  readonly merchant?: string;
  readonly id?: string;
  /** What is in the event besides its id. */
  readonly body?: string;
}

/** An event as the routes hand it over. */
export function event(fields: EventFields = {}): AcceptedEvent {
  const { tenantId = testTenant, mode = "live", merchant = "merchant-1", body = "as it was" } = fields;
  const id = fields.id ?? crypto.randomUUID();
  return {
    ...{ tenantId, mode, merchant, eventId: id, scopeId: id },
    bodyHash: Bun.hash.xxHash32(body),
    json: JSON.stringify({ event_id: id, merchant_id_hash: merchant, body }),
  };
}

/** How often each kind of result came. */
export function countKinds(results: readonly AppendResult[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of results) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** What no stream may show: an id stored twice, or a merchant's sequence with a gap or out of order. */
export function faultsOf(entries: readonly StreamEntry[]): string[] {
  const faults: string[] = [];
  const ids = new Set<string>();
  const last = new Map<string, number>();
  for (const entry of entries) {
    const merchant = merchantKey(entry.tenantId, entry.mode, entry.merchant);
    const id = `${merchant} ${entry.eventId}`;
    if (ids.has(id)) faults.push(`${id} is stored twice`);
    ids.add(id);
    const expected = (last.get(merchant) ?? 0) + 1;
    if (entry.sequence !== expected) faults.push(`${merchant} has ${entry.sequence} after ${expected - 1}`);
    last.set(merchant, entry.sequence);
  }
  return faults;
}
