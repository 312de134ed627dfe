import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import admitScript from "./admit.lua" with { type: "text" };

interface MerchantsRedis {
  ingestAdmit(...args: (string | number)[]): Promise<number[]>;
}

/** The merchants that tenants have had events of, up to a number that is exact however many ask at once. */
export class MerchantsStore {
  readonly #redis: StreamsRedis & MerchantsRedis;
  readonly #keys: StreamKeys;
  readonly #maxMerchants: number;

  constructor(redis: StreamsRedis, keys: StreamKeys, maxMerchants: number) {
    redis.defineCommand("ingestAdmit", { lua: admitScript, numberOfKeys: 1 });
    // defineCommand has just added the method that the interface lists.
    this.#redis = redis as StreamsRedis & MerchantsRedis;
    this.#keys = keys;
    this.#maxMerchants = maxMerchants;
  }

  /** Those of the merchants that are among the tenant's now; the others are beyond its number. */
  async admit(tenantId: string, merchants: readonly string[]): Promise<ReadonlySet<string>> {
    const reply = await this.#redis.ingestAdmit(
      this.#keys.merchants(tenantId),
      this.#maxMerchants,
      ...merchants,
    );
    return new Set(merchants.filter((_, index) => reply[index] === 1));
  }
}
