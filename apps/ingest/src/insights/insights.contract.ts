import { nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { type Static, Type } from "@sinclair/typebox";
import { type Cell, clusterParts, emptyProcessor, type ProcessorCounts } from "./figures/counts.ts";
import { minuteText, windowNames } from "./figures/windows.ts";
import type { ProcessorsReading } from "./read-processors.ts";

/** The most values that are named of a dimension, those with the most failures. */
const mostValues = 20;

const strict = { additionalProperties: false };
const Count = (description: string) => Type.Integer({ minimum: 0, description });
const Share = (description: string) => Type.Union([Type.Number(), Type.Null()], { description });

export const ProcessorsQuery = Type.Object(
  { window: Type.Optional(oneOf(windowNames, "How far back; 1h when left out.")) },
  strict,
);

const Figures = Type.Object({
  events: Count("Events that arrived, those that were late not among them."),
  outcomes: Count("Events that tell how a payment ended at the processor."),
  failures: Count("Outcomes that are failures."),
  failure_rate: Share("Failures of the outcomes; null where there are none."),
  timeouts: Count("Failures whose category names a time-out."),
  timeout_share: Share("Time-outs of the failures; null where there are none."),
  retries: Count("The sum of `retry_count`."),
  mean_retry_count: Share("Retries of an event on average; null without events."),
  retried_events: Count("Events with at least one retry."),
  retried_share: Share("Those of all events; null without events."),
  retry_success_rate: Share(
    "Of the retried events that tell a result, those that succeeded; null without any.",
  ),
  late_events: Count("Events of something that happened long before they arrived; part of no other figure."),
});

const Category = Type.Object({
  value: Type.String(),
  failures: Count("In this window."),
  share: Share("Of all the processor's failures."),
  previous_failures: Count("In the window before."),
});
const Bucket = Type.Object({
  ...Category.properties,
  outcomes: Count("In this window."),
  failure_rate: Share("Failures of these outcomes; null where there are none."),
  previous_failure_rate: Share("In the window before."),
});
const Cluster = Type.Object({
  category: Type.String(),
  geography: Type.String(),
  method: Type.String(),
  failures: Count("In this window."),
  share: Share("Of all the processor's failures."),
  previous_failures: Count("In the window before."),
});

const Processor = Type.Object({
  processor: Type.String(),
  status: oneOf(["ok", "degraded"], "Degraded from `processor.degraded` until `processor.recovered`."),
  degraded_since: nullable(Timestamp),
  current: Figures,
  previous: Figures,
  failure_rate_change: Share("Current less previous; null where either has no outcomes."),
  categories: Type.Array(Category, { maxItems: mostValues, description: "By `failure_category`." }),
  geographies: Type.Array(Bucket, { maxItems: mostValues, description: "By `geo_bucket`." }),
  methods: Type.Array(Bucket, { maxItems: mostValues, description: "By `payment_method_bucket`." }),
  clusters: Type.Array(Cluster, {
    maxItems: mostValues,
    description: "Failures that have category, geography and method in common.",
  }),
});

export const ProcessorsResponse = Type.Object({
  window: oneOf(windowNames),
  from: Timestamp,
  to: Timestamp,
  previous_from: Timestamp,
  counted_until: Type.String({
    format: "date-time",
    description: "Everything that arrived before this moment is part of the figures.",
  }),
  data: Type.Array(Processor, { description: "Those with the most events first." }),
});
export type ProcessorsResponse = Static<typeof ProcessorsResponse>;

/** What was read, with every rate and share worked out. */
export function toProcessorsResponse(reading: ProcessorsReading): ProcessorsResponse {
  const { window, spans, readAt, countedUntil, degraded } = reading;
  const names = new Set([...reading.current.keys(), ...reading.previous.keys(), ...degraded.keys()]);
  const data = [...names].map((name) => {
    const current = reading.current.get(name) ?? emptyProcessor();
    const previous = reading.previous.get(name) ?? emptyProcessor();
    return toProcessor(name, current, previous, degraded.get(name)?.since);
  });
  return {
    window,
    from: minuteText(spans.current.from),
    to: readAt.toISOString(),
    previous_from: minuteText(spans.previous.from),
    counted_until: countedUntil.toISOString(),
    data: data.sort(
      (left, right) =>
        right.current.events - left.current.events || right.previous.events - left.previous.events,
    ),
  };
}

function toProcessor(
  processor: string,
  current: ProcessorCounts,
  previous: ProcessorCounts,
  since: number | undefined,
): ProcessorsResponse["data"][number] {
  const [now, before] = [toFigures(current), toFigures(previous)];
  const buckets = (dimension: "geography" | "method") =>
    compared(current, previous, dimension).map(({ name, cell, was }) => ({
      ...shared(name, cell, was, current.failures),
      outcomes: cell.outcomes,
      failure_rate: share(cell.failures, cell.outcomes),
      previous_failure_rate: share(was.failures, was.outcomes),
    }));
  return {
    processor,
    status: since === undefined ? "ok" : "degraded",
    degraded_since: since === undefined ? null : minuteText(since),
    current: now,
    previous: before,
    failure_rate_change:
      now.failure_rate === null || before.failure_rate === null
        ? null
        : now.failure_rate - before.failure_rate,
    categories: compared(current, previous, "category").map(({ name, cell, was }) =>
      shared(name, cell, was, current.failures),
    ),
    geographies: buckets("geography"),
    methods: buckets("method"),
    clusters: compared(current, previous, "cluster").map(({ name, cell, was }) => {
      const [category, geography, method] = clusterParts(name);
      const { value: _, ...figures } = shared(name, cell, was, current.failures);
      return { category, geography, method, ...figures };
    }),
  };
}

function toFigures(counts: ProcessorCounts): Static<typeof Figures> {
  const { events, failures, timeouts, retries } = counts;
  const outcomes = failures + counts.successes;
  return {
    events,
    outcomes,
    failures,
    failure_rate: share(failures, outcomes),
    timeouts,
    timeout_share: share(timeouts, failures),
    retries,
    mean_retry_count: share(retries, events),
    retried_events: counts.retriedEvents,
    retried_share: share(counts.retriedEvents, events),
    retry_success_rate: share(counts.retriesSucceeded, counts.retriesSucceeded + counts.retriesFailed),
    late_events: counts.lateEvents,
  };
}

/** A dimension's values with those of the window before, the ones with the most failures. */
function compared(
  current: ProcessorCounts,
  previous: ProcessorCounts,
  dimension: keyof ProcessorCounts["cells"],
) {
  const cells = current.cells[dimension];
  const before = previous.cells[dimension];
  const none: Cell = { outcomes: 0, failures: 0 };
  return [...new Set([...cells.keys(), ...before.keys()])]
    .map((name) => ({ name, cell: cells.get(name) ?? none, was: before.get(name) ?? none }))
    .sort((left, right) => right.cell.failures - left.cell.failures || right.was.failures - left.was.failures)
    .slice(0, mostValues);
}

function shared(value: string, cell: Cell, was: Cell, allFailures: number) {
  return {
    value,
    failures: cell.failures,
    share: share(cell.failures, allFailures),
    previous_failures: was.failures,
  };
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
