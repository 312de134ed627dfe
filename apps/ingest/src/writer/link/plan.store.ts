import { randomBytes } from "node:crypto";
import { ConfigError } from "@payflow/service-kit/process/config.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import planScript from "./plan.lua" with { type: "text" };

/** What is fixed once the streams are made. */
export interface Plan {
  readonly partitions: number;
  /** Makes fingerprints of ids that nobody outside can foresee: 32 hexadecimal digits. */
  readonly fingerprintKey: string;
}

/** A key for fingerprints. */
export function newFingerprintKey(): string {
  return randomBytes(16).toString("hex");
}

/**
 * The plan of these streams, which becomes the wanted one where there is none. Throws `ConfigError` when the
 * streams were made with another number of partitions: a merchant's events would lose their order.
 */
export async function agreeOnPlan(redis: StreamsRedis, keys: StreamKeys, wanted: Plan): Promise<Plan> {
  const reply = await redis.eval(planScript, 1, keys.plan(), wanted.partitions, wanted.fingerprintKey);
  // The script answers two texts.
  const [partitions, fingerprintKey] = reply as [string, string];
  if (Number(partitions) !== wanted.partitions) {
    throw new ConfigError([
      `INGEST_PARTITIONS is ${wanted.partitions}, and the streams in this Redis were made with ${partitions}: ` +
        `set it to ${partitions}, or name an empty Redis`,
    ]);
  }
  return { partitions: wanted.partitions, fingerprintKey };
}
