import type { Mode } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { HandedMessage } from "@payflow/contracts/internal-notifier.ts";
import { createInternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { settled } from "@payflow/service-kit/store/redis.ts";
import { connectStreams, type StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import { merchantKey, partitionOf, type StreamKeys, streamKeys } from "@payflow/service-kit/streams/keys.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { PaymentExhaust } from "../../src/events/event.ts";
import { insightsStores, startInsights } from "../../src/insights/start-insights.ts";

const secret = "an internal secret of tests, long enough";

export const settings = {
  INSIGHTS_LATE_SECONDS: 3_600,
  INSIGHTS_LEAST_OUTCOMES: 50,
  INSIGHTS_RISE_PERCENT: 10,
  INSIGHTS_DEVIATIONS: 4,
  INSIGHTS_ALONE_PERCENT: 50,
};

/** An event that arrives at a given moment of Redis's clock, or now. */
export interface Arrival {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly merchant: string;
  readonly event: PaymentExhaust;
  readonly arrivedAtMs?: number;
}

/** How an `InsightSpace` is found again by another process. */
export interface SpaceAddress {
  readonly urls: string;
  readonly prefix: string;
  readonly partitions: number;
  readonly notifierUrl: string;
}

/** Streams of one test's own with whatever counts them. What is opened through it ends with the test. */
export class InsightSpace {
  readonly keys: StreamKeys;
  readonly redis: StreamsRedis;
  readonly logger = createLogger("test", process.env.LOG_LEVEL ?? "fatal");
  readonly stores: ReturnType<typeof insightsStores>;
  readonly #connections: StreamsRedis[] = [];
  readonly #endings: (() => unknown)[] = [];
  #sequence = 0;

  constructor(readonly address: SpaceAddress) {
    this.keys = streamKeys(address.prefix);
    this.redis = this.connect();
    const { partitions } = address;
    this.stores = insightsStores({ redis: this.connect(), keys: this.keys, partitions });
  }

  /** An empty space on these servers. */
  static async open(urls: string, notifierUrl = "http://127.0.0.1:9", partitions = 4): Promise<InsightSpace> {
    const prefix = `test-${crypto.randomUUID().slice(0, 8)}`;
    return InsightSpace.at({ urls, prefix, partitions, notifierUrl });
  }

  /** A space that there is already. */
  static async at(address: SpaceAddress): Promise<InsightSpace> {
    const space = new InsightSpace(address);
    await Promise.all(space.#connections.map(settled));
    return space;
  }

  connect(): StreamsRedis {
    const redis = connectStreams(this.address.urls, "test", this.logger);
    this.#connections.push(redis);
    this.defer(() => redis.disconnect());
    return redis;
  }

  defer(end: () => unknown): void {
    this.#endings.push(end);
  }

  async close(): Promise<void> {
    for (const end of this.#endings.reverse()) await end();
  }

  /** Starts a replica in this process. */
  async start(changes: Partial<typeof settings> = {}) {
    const { partitions, notifierUrl } = this.address;
    const notifier = createInternalClient({ service: "notifier", baseUrl: notifierUrl, secret });
    const running = await startInsights({
      ...this.stores,
      redis: this.connect(),
      keys: this.keys,
      partitions,
      settings: { ...settings, ...changes },
      notifier,
      logger: this.logger,
      metrics: new Metrics("test"),
    });
    this.defer(() => running.stop());
    return running;
  }

  /** Appends events to their merchants' partitions in the order of their arrival, as ingest's writer does. */
  async append(arrivals: readonly Arrival[]): Promise<void> {
    const at = (one: Arrival) => one.arrivedAtMs ?? Number.MAX_SAFE_INTEGER;
    const ordered = [...arrivals].sort((left, right) => at(left) - at(right));
    const pipelines = new Map<number, ReturnType<StreamsRedis["pipeline"]>>();
    for (const { tenantId, mode, merchant, event, arrivedAtMs } of ordered) {
      this.#sequence += 1;
      const partition = partitionOf(merchantKey(tenantId, mode, merchant), this.address.partitions);
      const fields = {
        tenant: tenantId,
        mode,
        merchant,
        sequence: this.#sequence,
        id: event.event_id,
        event: JSON.stringify(event),
      };
      const id = arrivedAtMs === undefined ? "*" : `${arrivedAtMs}-*`;
      const pipeline = pipelines.get(partition) ?? this.redis.pipeline();
      pipelines.set(partition, pipeline);
      pipeline.xadd(this.keys.events(partition), id, ...Object.entries(fields).flat());
    }
    const answers = await Promise.all([...pipelines.values()].map((pipeline) => pipeline.exec()));
    for (const [error] of answers.flatMap((answer) => answer ?? [])) if (error !== null) throw error;
  }

  /** Redis's own time, in milliseconds since 1970. */
  async nowMs(): Promise<number> {
    return (await this.stores.figures.rolled()).nowMs;
  }

  /** What the keys of the insights take in Redis, in bytes. */
  async bytes(): Promise<number> {
    const names = await this.redis.keys(`${this.address.prefix}:*insights*`);
    const sizes = await Promise.all(names.map((name) => this.redis.memory("USAGE", name, "SAMPLES", 0)));
    return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  }
}

export function newTenant(): string {
  return newId("ten");
}

let events = 0;

/** An event with some fields of its own; it happened at the moment given by its arrival. */
export function exhaust(changes: Partial<PaymentExhaust> = {}, happenedAtMs = Date.now()): PaymentExhaust {
  events += 1;
  return {
    event_type: "payment_succeeded",
    event_timestamp: new Date(happenedAtMs).toISOString(),
    event_id: `event-${events}`,
    merchant_id_hash: "merchant",
    payment_intent_id_hash: `intent-${events}`,
    processor: "stripe",
    ...changes,
  };
}

/** Stands in for notifier: takes messages as it does, and can be away. */
export function recordingNotifier() {
  const messages: HandedMessage[] = [];
  let isAway = false;
  let losesAnswers = false;
  let calls = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      calls += 1;
      if (isAway) return new Response(null, { status: 503 });
      // Only ingest under test calls it.
      const body = (await request.json()) as { messages: HandedMessage[] };
      messages.push(...body.messages);
      if (losesAnswers) return new Response(null, { status: 503 });
      return Response.json({ results: body.messages.map(() => ({ status: "queued" })) });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    messages,
    calls: () => calls,
    setAway(away: boolean) {
      isAway = away;
    },
    loseAnswers(isLost: boolean) {
      losesAnswers = isLost;
    },
    stop: () => server.stop(true),
  };
}
