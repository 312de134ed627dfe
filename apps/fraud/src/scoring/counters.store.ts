import { unavailable } from "@payflow/contracts/errors.ts";
import { maxScoreSteps } from "@payflow/contracts/internal-fraud.ts";
import { isRedisOutage } from "@payflow/service-kit/store/redis.ts";
import type { Redis } from "ioredis";
import type { CompiledPolicy } from "../policies/compile-policy.ts";
import { maxWindowSeconds } from "../policies/policy.ts";
import countScript from "./count.lua" with { type: "text" };
import { dimensionValue, type Facts, type Reading } from "./evaluate.ts";
import failuresScript from "./record-failures.lua" with { type: "text" };
import { addition, keyPrefix, seriesKey, seriesPlan, seriesTypes } from "./series.ts";

/** One payment to count, under the policy that says what. */
export interface Counted {
  readonly paymentId: string;
  readonly tenantId: string;
  readonly mode: string;
  readonly facts: Facts;
  readonly policy: CompiledPolicy;
}

/** One payment that failed at the processor. */
export interface Failure extends Counted {
  readonly failedAt: Date;
}

/** The sliding windows in the cache Redis. All throw `unavailable` while it is away. */
export interface Counters {
  /**
   * Counts payments and answers what each policy's measures see. One already counted within `countedOnceMs`
   * is not counted again and sees what it saw. A dry run writes nothing.
   */
  count(payments: readonly Counted[], isDry: boolean): Promise<readonly (readonly Reading[])[]>;
  /** Remembers failures; repeating it changes nothing. */
  recordFailures(failures: readonly Failure[]): Promise<void>;
}

/** How long a counted payment is known as such here; after that its stored decision has to tell. */
export const countedOnceMs = 180_000;

/** Counters on Redis, by its own clock; `clockMs` replaces that clock in tests of long windows. */
export function redisCounters(redis: Redis, clockMs?: () => number): Counters {
  const nowMicros = () => (clockMs === undefined ? 0 : clockMs() * 1_000);
  const run = runner(redis);
  return {
    async count(payments, isDry) {
      const seen = new Map<Counted, readonly Reading[]>();
      for (const part of inParts(payments)) {
        const batch = new Batch();
        const rows = part.map((payment) => batch.add(payment));
        const input = {
          now: nowMicros(),
          write: !isDry,
          marker_ms: countedOnceMs,
          series: batch.series,
          payments: rows,
        };
        const markers = part.map((one) => `${keyPrefix(one.tenantId, one.mode)}payment:${one.paymentId}`);
        // The script answers one text for each payment.
        const answers = (await run(countScript, [...markers, ...batch.keys], input)) as readonly string[];
        for (const [index, payment] of part.entries()) {
          seen.set(payment, batch.readings(index, answers[index] ?? ""));
        }
      }
      return payments.map((payment) => seen.get(payment) ?? []);
    },
    async recordFailures(failures) {
      const keys = new Map<string, number>();
      const rows = failures.map((failure) => {
        const touched = failureKeys(failure).map((key) => numbered(keys, key));
        return [failure.paymentId, failure.failedAt.getTime() * 1_000, touched] as const;
      });
      if (keys.size === 0) return;
      const input = { now: nowMicros(), retention: micros(maxWindowSeconds), failures: rows };
      await run(failuresScript, [...keys.keys()], input);
    },
  };
}

/**
 * The parts of a batch that are counted by one script each: few enough steps that the batches of others come
 * between them. The tenants that take few steps come first; a tenant's payments keep their order.
 */
function inParts(payments: readonly Counted[]): (readonly Counted[])[] {
  const steps = (some: readonly Counted[]) =>
    some.reduce((sum, one) => sum + seriesPlan(one.policy).steps, 0);
  if (steps(payments) <= maxScoreSteps) return payments.length === 0 ? [] : [payments];
  const byOwner = Map.groupBy(payments, (one) => keyPrefix(one.tenantId, one.mode));
  const inOrder = [...byOwner.values()].sort((left, right) => steps(left) - steps(right)).flat();
  const parts: Counted[][] = [];
  let left = 0;
  for (const payment of inOrder) {
    const taken = seriesPlan(payment.policy).steps;
    if (taken > left) {
      parts.push([]);
      left = maxScoreSteps;
    }
    parts.at(-1)?.push(payment);
    left -= taken;
  }
  return parts;
}

type PaymentRow = readonly [policy: string, adds: readonly (number | string)[], reads: readonly number[]];

/** Gathers a batch's series, so that each is opened once however many payments touch it. */
class Batch {
  readonly keys: string[] = [];
  readonly series: (readonly [type: number, retentionMicros: number])[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #applies: boolean[][] = [];

  add({ tenantId, mode, facts, policy }: Counted): PaymentRow {
    const plan = seriesPlan(policy);
    const prefix = keyPrefix(tenantId, mode);
    const adds: (number | string)[] = [];
    const numbers = plan.series.map((series) => {
      const what = addition(series, facts);
      if (what === null) return 0;
      const key = seriesKey(prefix, series, dimensionValue(facts, series.dimension) ?? "");
      const number = this.#number(key, [series.type, micros(series.retentionSeconds)]);
      if (series.type !== seriesTypes.failures) adds.push(number, what);
      return number;
    });
    const reads: number[] = [];
    const applies = plan.reads.map((read) => {
      const [counted, failures] = [numbers[read.series] ?? 0, numbers[read.failures] ?? 0];
      if ((read.series >= 0 && counted === 0) || (read.failures >= 0 && failures === 0)) return false;
      reads.push(counted, micros(read.windowSeconds), failures);
      return true;
    });
    this.#applies.push(applies);
    return [`${policy.hash.slice(0, 16)} `, adds, reads];
  }

  /** The answer for a payment, spread over its policy's measures. */
  readings(index: number, text: string): readonly Reading[] {
    const values = text.split(" ");
    let next = 0;
    return (this.#applies[index] ?? []).map((applies) => {
      if (!applies) return null;
      const [value, sample] = (values[next++] ?? "").split(":");
      return { value: Number(value), sample: Number(sample ?? value) };
    });
  }

  #number(key: string, series: readonly [number, number]): number {
    const number = numbered(this.#numbers, key);
    if (number > this.keys.length) {
      this.keys.push(key);
      this.series.push(series);
    }
    return number;
  }
}

function failureKeys({ tenantId, mode, facts, policy }: Failure): string[] {
  const prefix = keyPrefix(tenantId, mode);
  return seriesPlan(policy).series.flatMap((series) => {
    const value = dimensionValue(facts, series.dimension);
    const isWanted = series.type === seriesTypes.failures && value !== null;
    return isWanted ? [seriesKey(prefix, series, value)] : [];
  });
}

/** The number of a name, from 1, in the order of first mention. */
function numbered(numbers: Map<string, number>, name: string): number {
  const number = numbers.get(name) ?? numbers.size + 1;
  numbers.set(name, number);
  return number;
}

function micros(seconds: number): number {
  return seconds * 1_000_000;
}

/** Runs a script by its digest, and sends its text only to a Redis that does not know it yet. */
function runner(redis: Redis) {
  const digests = new Map<string, string>();
  return async (script: string, keys: readonly string[], input: object): Promise<unknown> => {
    const digest = digests.get(script) ?? new Bun.CryptoHasher("sha1").update(script).digest("hex");
    digests.set(script, digest);
    const json = JSON.stringify(input);
    try {
      return await redis.evalsha(digest, keys.length, ...keys, json);
    } catch (error) {
      if (isRedisOutage(error)) throw unavailable("The cache Redis", 1, error);
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
    }
    try {
      return await redis.eval(script, keys.length, ...keys, json);
    } catch (error) {
      throw isRedisOutage(error) ? unavailable("The cache Redis", 1, error) : error;
    }
  };
}
