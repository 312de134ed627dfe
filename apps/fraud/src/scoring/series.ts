import type { CompiledPolicy, Measure } from "../policies/compile-policy.ts";
import { type Dimension, maxWindowSeconds } from "../policies/policy.ts";
import { dimensionValue, type Facts } from "./evaluate.ts";

/** How the scripts keep a series: running totals, distinct values, or failed payments. */
export const seriesTypes = { total: 1, distinct: 2, failures: 3 } as const;

/** One thing that is counted for a tenant and mode, apart for each value of its dimension. */
export interface Series {
  readonly name: string;
  readonly type: (typeof seriesTypes)[keyof typeof seriesTypes];
  readonly dimension: Dimension;
  readonly currency: string | undefined;
  readonly of: Dimension | undefined;
  readonly retentionSeconds: number;
}

/** What a measure reads: series by index (-1 for none) within a window. */
export interface SeriesRead {
  readonly series: number;
  readonly failures: number;
  readonly windowSeconds: number;
}

/** The series that a policy needs, and for each of its measures what is read from them. */
export interface SeriesPlan {
  readonly series: readonly Series[];
  readonly reads: readonly SeriesRead[];
  /** What counting a payment takes, in whichever currency takes most. */
  readonly steps: number;
}

const plans = new WeakMap<CompiledPolicy, SeriesPlan>();

/** The plan of a policy, made once. Measures that differ in their windows alone share a series. */
export function seriesPlan(policy: CompiledPolicy): SeriesPlan {
  const known = plans.get(policy);
  if (known !== undefined) return known;
  const series: Series[] = [];
  const use = (wanted: Series): number => {
    const index = series.findIndex((one) => one.name === wanted.name);
    const present = series[index];
    if (present === undefined) return series.push(wanted) - 1;
    const retentionSeconds = Math.max(present.retentionSeconds, wanted.retentionSeconds);
    series[index] = { ...present, retentionSeconds };
    return index;
  };
  const reads = policy.measures.map((measure): SeriesRead => {
    const counted = countedSeries(measure);
    const needsFailures = measure.kind === "failures" || measure.kind === "fail_ratio";
    return {
      series: counted === undefined ? -1 : use(counted),
      failures: needsFailures ? use(failureSeries(measure.key)) : -1,
      windowSeconds: measure.windowSeconds,
    };
  });
  const plan = { series, reads, steps: stepsOf(series, reads) };
  plans.set(policy, plan);
  return plan;
}

/**
 * About so many calls of a script: one to know the payment, one for each read, and three to open, add to and
 * tidy a series.
 */
function stepsOf(series: readonly Series[], reads: readonly SeriesRead[]): number {
  const currencies = new Set([undefined, ...series.map((one) => one.currency)]);
  const ofEach = [...currencies].map((currency) => {
    const isRead = (index: number) => {
      const one = series[index];
      return one !== undefined && (one.currency === undefined || one.currency === currency);
    };
    const readings = reads.flatMap((read) => [read.series, read.failures]).filter(isRead);
    const additions = series.filter((one, index) => isRead(index) && one.type !== seriesTypes.failures);
    return 1 + readings.length + 3 * additions.length;
  });
  return Math.max(...ofEach);
}

/** Failures are kept for the longest window, whatever the rules of the moment ask for. */
function failureSeries(dimension: Dimension): Series {
  return {
    name: `failures:${dimension}`,
    type: seriesTypes.failures,
    dimension,
    currency: undefined,
    of: undefined,
    retentionSeconds: maxWindowSeconds,
  };
}

function countedSeries(measure: Measure): Series | undefined {
  if (measure.kind === "failures") return undefined;
  const common = { dimension: measure.key, retentionSeconds: measure.windowSeconds };
  if (measure.kind === "sum") {
    const { currency } = measure;
    return {
      name: `sum:${currency}:${measure.key}`,
      type: seriesTypes.total,
      ...common,
      currency,
      of: undefined,
    };
  }
  if (measure.kind === "distinct") {
    const name = `distinct:${measure.of}:${measure.key}`;
    return { name, type: seriesTypes.distinct, ...common, currency: undefined, of: measure.of };
  }
  return {
    name: `count:${measure.key}`,
    type: seriesTypes.total,
    ...common,
    currency: undefined,
    of: undefined,
  };
}

/**
 * What the payment adds to a series: a weight, a value, or nothing (null) where the series is not about it.
 */
export function addition(series: Series, facts: Facts): number | string | null {
  if (dimensionValue(facts, series.dimension) === null) return null;
  if (series.type === seriesTypes.failures) return 0;
  if (series.of !== undefined) {
    const value = dimensionValue(facts, series.of);
    return value === null ? null : shortHash(value);
  }
  if (series.currency === undefined) return 1;
  return series.currency === facts.currency ? facts.amount : null;
}

/**
 * The prefix of all keys of a tenant in a mode. Its braces would put them into one slot of a Redis Cluster,
 * but a batch spans tenants: the cache Redis is a single server, with replicas if need be, and not a cluster.
 */
export function keyPrefix(tenantId: string, mode: string): string {
  return `fraud:{${tenantId}:${mode}}:`;
}

/** The key of a series for one value: bounded in length, whatever the caller's ids look like. */
export function seriesKey(prefix: string, series: Series, value: string): string {
  return value === "" ? `${prefix}${series.name}` : `${prefix}${series.name}:${shortHash(value)}`;
}

function shortHash(value: string): string {
  return Bun.SHA256.hash(value, "base64url").slice(0, 22);
}
