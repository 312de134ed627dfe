import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import forgetScript from "./forget.lua" with { type: "text" };

interface RememberedRedis {
  ingestForget(...args: (string | number)[]): Promise<number>;
}

/** Buckets that one call removes: Redis does nothing else meanwhile. */
const bucketsAtOnce = 500;

/** The ids by which repeats are known, a day of them. */
export class RememberedStore {
  readonly #redis: StreamsRedis & RememberedRedis;
  readonly #keys: StreamKeys;
  readonly #sliceMs: number;

  constructor(redis: StreamsRedis, keys: StreamKeys, sliceMs: number) {
    redis.defineCommand("ingestForget", { lua: forgetScript, numberOfKeys: 1 });
    // defineCommand has just added the method that the interface lists.
    this.#redis = redis as StreamsRedis & RememberedRedis;
    this.#keys = keys;
    this.#sliceMs = sliceMs;
  }

  /** Removes a step of what a partition remembers no longer; how many buckets are left to remove. */
  forget(partition: number): Promise<number> {
    return this.#redis.ingestForget(this.#keys.seen(partition), this.#sliceMs, bucketsAtOnce);
  }
}
