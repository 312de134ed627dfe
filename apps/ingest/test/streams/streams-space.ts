import type { Mode, Scope } from "@payflow/contracts/access.ts";
import { defaultLimits } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { createHttp } from "@payflow/service-kit/http/server.ts";
import { settled } from "@payflow/service-kit/store/redis.ts";
import { eachBatch } from "@payflow/service-kit/streams/each-batch.ts";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import { type GroupOptions, startGroup } from "@payflow/service-kit/streams/group.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { streamLettersRoutes } from "../../src/streams/dead-letters/dead-letters.routes.ts";
import { streamsRoutes } from "../../src/streams/overview/streams.routes.ts";
import { type Streams, startStreams } from "../../src/streams/start-streams.ts";
import { event, WriterSpace } from "../writer/writer-fixture.ts";

export const adminToken = "a".repeat(32);

interface Looking {
  readonly retentionSeconds?: number;
  readonly isShared?: boolean;
  readonly queued?: () => number;
}

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field.
  readonly body: any;
}

/** Streams that are looked after, in a space of one test's own. */
export class StreamsSpace extends WriterSpace {
  readonly metrics = new Metrics("test");
  readonly #closers: (() => unknown)[] = [];

  static async at(urls: string, partitions = 4): Promise<StreamsSpace> {
    const space = new StreamsSpace(urls, partitions);
    await settled(space.redis);
    return space;
  }

  /** Looks after the streams as a process does. */
  async look({ retentionSeconds = 0, isShared = false, queued }: Looking = {}): Promise<Streams> {
    const redis = this.connect();
    await settled(redis);
    const { keys, partitions, logger, metrics } = this;
    const streams = startStreams({
      ...{ redis, keys, partitions, logger, metrics, retentionSeconds, isShared, secret: "s".repeat(32) },
      ...(queued === undefined ? {} : { queued }),
    });
    this.#closers.push(() => streams.stop());
    return streams;
  }

  /** Appends events of one tenant through the writer: `count` for each merchant. */
  async store(count: number, fields: { tenantId?: string; mode?: Mode; merchants?: readonly string[] } = {}) {
    const { writer } = await this.open();
    const { merchants = ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"], ...owner } = fields;
    const events = Array.from({ length: count }, () =>
      merchants.map((merchant) => event({ ...owner, merchant })),
    );
    const results = await writer.append(events.flat());
    return results.filter((result) => result.kind === "stored").length;
  }

  /** Reads for a group until the test ends, and records what a handler took without an error. */
  async read(
    group: string,
    handle: (entries: readonly StreamEntry[]) => Promise<void> = async () => {},
    options: Partial<GroupOptions> = {},
  ) {
    const entries: StreamEntry[] = [];
    const redis = this.connect();
    await settled(redis);
    const { keys, partitions, logger, metrics } = this;
    const running = await startGroup({
      ...{ redis, keys, partitions, logger, metrics, group, kind: "warehouse" },
      ...{ maxBatch: 100, maxPending: 1_000, lingerMs: 5 },
      open: eachBatch(async (batch) => {
        await handle(batch);
        entries.push(...batch);
      }),
      ...options,
    });
    this.#closers.push(() => running.stop());
    return { entries, running };
  }

  /** All streams' lengths together. */
  async length(): Promise<number> {
    const lengths = await Promise.all(
      Array.from({ length: this.partitions }, (_, partition) => this.redis.xlen(this.keys.events(partition))),
    );
    return lengths.reduce((sum, length) => sum + length, 0);
  }

  override async end(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
    await super.end();
  }
}

/** The routes of these streams, with keys written as `tenant/mode/scope,scope`. */
export function openRoutes(streams: Streams, { logger, metrics }: StreamsSpace) {
  const http = createHttp({
    ...{ service: "ingest", title: "Ingest", logger, metrics, adminToken },
    authenticator: {
      async authenticate(key) {
        const [tenantId, mode, scopes = ""] = key.split("/");
        if (tenantId === undefined || (mode !== "live" && mode !== "test")) {
          throw new DomainError("invalid_api_key");
        }
        // Keys of these tests name scopes.
        return {
          tenantId,
          mode,
          keyId: "key_1",
          scopes: scopes.split(",") as Scope[],
          limits: defaultLimits,
        };
      },
    },
  });
  const app = http.app().use(streamsRoutes(http, streams)).use(streamLettersRoutes(http, streams));
  return async (method: string, path: string, credential: string, body?: unknown): Promise<Answer> => {
    const response = await app.handle(
      new Request(`http://localhost${path}`, {
        method,
        headers: { authorization: `Bearer ${credential}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    return { status: response.status, body: await response.json() };
  };
}
