import type { ProcessorsResponse } from "../../src/insights/insights.contract.ts";
import type { Arrival } from "./insight-space.ts";

type Shown = ProcessorsResponse["data"][number];

/** What an arrival means, told by whoever made it and not by the code under test. */
export interface Meant extends Arrival {
  readonly arrivedAtMs: number;
  readonly meaning: "failed" | "succeeded" | "open";
  readonly isTimeout: boolean;
  readonly isLate: boolean;
  readonly isRetrySucceeded: boolean | null;
}

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

const share = (part: number, whole: number) => (whole === 0 ? null : part / whole);

/** The figures of a processor worked out from the events themselves, one after the other. */
function figuresOf(all: readonly Meant[]) {
  const events = all.filter((one) => !one.isLate);
  const outcomes = events.filter((one) => one.meaning !== "open");
  const failures = outcomes.filter((one) => one.meaning === "failed");
  const timeouts = failures.filter((one) => one.isTimeout);
  const retries = events.reduce((sum, one) => sum + (one.event.retry_count ?? 0), 0);
  const retried = events.filter((one) => (one.event.retry_count ?? 0) > 0);
  const told = retried.filter((one) => one.isRetrySucceeded !== null);
  const won = told.filter((one) => one.isRetrySucceeded === true);
  return {
    events: events.length,
    outcomes: outcomes.length,
    failures: failures.length,
    failure_rate: share(failures.length, outcomes.length),
    timeouts: timeouts.length,
    timeout_share: share(timeouts.length, failures.length),
    retries,
    mean_retry_count: share(retries, events.length),
    retried_events: retried.length,
    retried_share: share(retried.length, events.length),
    retry_success_rate: share(won.length, told.length),
    late_events: all.length - events.length,
  };
}

const isIn =
  ({ fromMs, toMs }: Span) =>
  (one: Meant) =>
    one.arrivedAtMs >= fromMs && one.arrivedAtMs < toMs;
const isFailure = (one: Meant) => !one.isLate && one.meaning === "failed";

/** Failures by a name, largest first and then by name: an order that does not depend on who counted. */
function failuresBy(events: readonly Meant[], nameOf: (one: Meant) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of events.filter(isFailure)) counts[nameOf(one)] = (counts[nameOf(one)] ?? 0) + 1;
  return counts;
}

const category = (one: Meant) => one.event.failure_category ?? "unknown";
const geography = (one: Meant) => one.event.geo_bucket ?? "unknown";
const method = (one: Meant) => one.event.payment_method_bucket ?? "unknown";
const cluster = (one: Meant) => [category(one), geography(one), method(one)].join("/");

/** All that an answer says of a processor, as sets, worked out from the events. */
export function expected(processor: string, all: readonly Meant[], current: Span, previous: Span) {
  const own = all.filter((one) => one.event.processor === processor);
  const now = own.filter(isIn(current));
  const before = own.filter(isIn(previous));
  return {
    current: figuresOf(now),
    previous: figuresOf(before),
    categories: failuresBy(now, category),
    previousCategories: failuresBy(before, category),
    geographies: failuresBy(now, geography),
    methods: failuresBy(now, method),
    clusters: failuresBy(now, cluster),
    outcomesByGeography: now
      .filter((one) => !one.isLate && one.meaning !== "open")
      .reduce<Record<string, number>>((counts, one) => {
        counts[geography(one)] = (counts[geography(one)] ?? 0) + 1;
        return counts;
      }, {}),
  };
}

const positive = (pairs: readonly (readonly [string, number])[]) =>
  Object.fromEntries(pairs.filter(([, count]) => count > 0));

/** The same of what was answered. */
export function shown(processor: Shown | undefined) {
  if (processor === undefined) return undefined;
  const { categories, geographies, methods, clusters } = processor;
  return {
    current: processor.current,
    previous: processor.previous,
    categories: positive(categories.map((one) => [one.value, one.failures])),
    previousCategories: positive(categories.map((one) => [one.value, one.previous_failures])),
    geographies: positive(geographies.map((one) => [one.value, one.failures])),
    methods: positive(methods.map((one) => [one.value, one.failures])),
    clusters: positive(
      clusters.map((one) => [[one.category, one.geography, one.method].join("/"), one.failures]),
    ),
    outcomesByGeography: positive(geographies.map((one) => [one.value, one.outcomes])),
  };
}
