import { streamKeys } from "@payflow/service-kit/streams/keys.ts";
import { Redis } from "ioredis";
import type { Truth } from "../../../loadtest/run/report.ts";
import type { Target } from "../target.ts";

const keys = streamKeys("ingest");
const pageLength = 5_000;

/** What is in the streams of a merchant. */
interface Merchant {
  readonly sequences: number[];
  readonly ids: Set<string>;
}

/**
 * What must hold of a run's events in the streams themselves: each merchant's are numbered without a gap and
 * in order, and no id stands there twice. Empty where the run sent none.
 */
export async function eventTruths(target: Target, tenants: readonly string[]): Promise<Truth[]> {
  const redis = new Redis(target.durableRedisUrl);
  try {
    const merchants = new Map<string, Merchant>();
    const partitions = Number(JSON.parse((await redis.hget(keys.plan(), "partitions")) ?? "0"));
    for (let partition = 0; partition < partitions; partition += 1) {
      await readPartition(redis, keys.events(partition), new Set(tenants), merchants);
    }
    if (merchants.size === 0) return [];
    const all = [...merchants.values()];
    const count = all.reduce((sum, { sequences }) => sum + sequences.length, 0);
    const unordered = all.filter(({ sequences }) => !isWithoutGap(sequences)).length;
    const repeated = all.reduce((sum, { ids, sequences }) => sum + sequences.length - ids.size, 0);
    return [
      {
        name: "each merchant's events stand in the streams in order, without a gap",
        isTrue: unordered === 0,
        found: `${count} events of ${merchants.size} merchants, ${unordered} of them out of order`,
      },
      {
        name: "no event stands in the streams twice",
        isTrue: repeated === 0,
        found: `${repeated} repetitions`,
      },
    ];
  } finally {
    redis.disconnect();
  }
}

async function readPartition(
  redis: Redis,
  stream: string,
  tenants: ReadonlySet<string>,
  merchants: Map<string, Merchant>,
): Promise<void> {
  for (let from = "-"; ; ) {
    const entries = await redis.xrange(stream, from, "+", "COUNT", pageLength);
    for (const [, fields] of entries) {
      const entry = new Map<string, string>();
      for (let at = 0; at < fields.length; at += 2) entry.set(fields[at] ?? "", fields[at + 1] ?? "");
      const tenant = entry.get("tenant") ?? "";
      if (!tenants.has(tenant) || entry.has("for")) continue;
      const name = `${tenant}/${entry.get("mode")}/${entry.get("merchant")}`;
      const merchant = merchants.get(name) ?? { sequences: [], ids: new Set() };
      merchants.set(name, merchant);
      merchant.sequences.push(Number(entry.get("sequence")));
      merchant.ids.add(entry.get("id") ?? "");
    }
    const last = entries.at(-1)?.[0];
    if (last === undefined || entries.length < pageLength) return;
    from = `(${last}`;
  }
}

/** Entries that all groups have read may have been trimmed: what is left must still be without a gap. */
function isWithoutGap(sequences: readonly number[]): boolean {
  return sequences.every((sequence, index) => index === 0 || sequence === (sequences[index - 1] ?? 0) + 1);
}
