import { unavailable } from "@payflow/contracts/errors.ts";
import type { Topic } from "@payflow/contracts/events.ts";
import type { Redis } from "ioredis";
import { pause } from "../../concurrency/retry.ts";
import { ConfigError } from "../../process/config.ts";
import { connectRedis, isRedisOutage } from "../../store/redis.ts";
import { redisMemory } from "../../store/redis-memory.ts";
import type { Logger } from "../../telemetry/logging.ts";
import { highWaterShare } from "../bus.ts";
import { assertDurableRedis } from "./durable.ts";
import { type busKeys, partitions } from "./keys.ts";
import { type ScriptedRedis, withScripts } from "./scripts.ts";

export interface LinkOptions {
  readonly url: string;
  readonly name: string;
  readonly logger: Logger;
  readonly keys: ReturnType<typeof busKeys>;
  readonly groups: ReadonlyMap<Topic, readonly string[]>;
}

/**
 * The bus's connections to one Redis. After each connect the server's settings are checked and the declared
 * groups made, before anything is appended.
 */
export class Link {
  readonly writer: ScriptedRedis;
  readonly #options: LinkOptions;
  readonly #opened: Redis[] = [];
  #isPrepared = false;
  #unfit: ConfigError | null = null;
  #isFull = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.writer = withScripts(this.connect("writer"));
    this.writer.on("ready", () => void this.#prepare());
    this.writer.on("close", () => {
      this.#isPrepared = false;
    });
  }

  /** Another connection of the same kind, closed with the link. */
  connect(purpose: string): Redis {
    const redis = connectRedis(this.#options.url, `${this.#options.name}-${purpose}`, this.#options.logger);
    this.#opened.push(redis);
    return redis;
  }

  /** Whether memory is above the high-water mark. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /**
   * Waits until Redis is prepared, for at most `waitMs`. Throws `ConfigError` when its settings lose events.
   */
  async settle(waitMs: number): Promise<void> {
    for (const end = performance.now() + waitMs; performance.now() < end && !this.#isPrepared; ) {
      if (this.#unfit !== null) throw this.#unfit;
      await pause(10);
    }
  }

  /** Throws `unavailable` unless appending is safe now. */
  assertWritable(): void {
    if (this.#unfit !== null) throw unavailable("The event bus", 5, this.#unfit);
    if (!this.#isPrepared) throw unavailable("The event bus");
    if (this.#isFull) throw unavailable("The event bus, whose storage is above its high-water mark,", 5);
  }

  /** Reads the memory in use; returns the share of the limit, 0 when there is none. */
  async measure(): Promise<number> {
    const { usedBytes, maxBytes } = await redisMemory(this.writer);
    const share = maxBytes === 0 ? 0 : usedBytes / maxBytes;
    const isFull = share >= highWaterShare;
    if (isFull !== this.#isFull) {
      this.#options.logger[isFull ? "error" : "info"](
        { share },
        "the durable Redis crossed its high-water mark",
      );
    }
    this.#isFull = isFull;
    return share;
  }

  close(): void {
    for (const redis of this.#opened) redis.disconnect();
  }

  async #prepare(): Promise<void> {
    const { logger } = this.#options;
    while (this.writer.status === "ready") {
      try {
        await assertDurableRedis(this.writer);
        await this.#declareGroups();
        await this.measure();
        this.#unfit = null;
        this.#isPrepared = true;
        return;
      } catch (error) {
        if (error instanceof ConfigError) this.#unfit = error;
        if (!isRedisOutage(error)) logger.error({ err: error }, "the durable Redis cannot carry the bus");
        await pause(1_000);
      }
    }
  }

  async #declareGroups(): Promise<void> {
    const pipeline = this.writer.pipeline();
    for (const [topic, groups] of this.#options.groups) {
      for (const group of groups) {
        for (const partition of partitions) {
          const stream = this.#options.keys.stream(topic, partition);
          pipeline.xgroup("CREATE", stream, group, "0", "MKSTREAM", "ENTRIESREAD", 0);
        }
      }
    }
    for (const [error] of (await pipeline.exec()) ?? []) {
      if (error !== null && !error.message.startsWith("BUSYGROUP")) throw error;
    }
  }
}
