import type { Options, Scenario, Threshold } from "k6/options";
import { promises, type ScenarioName } from "./promises.ts";
import { markdownOf, reportOf, type Summary } from "./report.ts";
import { type Amount, drainSeconds, resultsFolder } from "./settings.ts";

/**
 * The options of a scenario: an open load of `rate` iterations a second, then one audit. A run passes when
 * every check held, an audit came to its end, and errors and dropped iterations are as rare as one in a
 * thousand and one in a hundred.
 */
export function optionsOf({ rate, seconds }: Amount, thresholds: Record<string, Threshold[]> = {}): Options {
  const load: Scenario = {
    executor: "constant-arrival-rate",
    rate,
    timeUnit: "1s",
    duration: `${seconds}s`,
    // Made beforehand, since an iteration is dropped when its user still has to be made: enough for answers
    // that take four seconds, or one where many are begun in a second.
    preAllocatedVUs: Math.min(Math.max(20, 4 * rate), rate + 200),
    maxVUs: Math.max(100, 5 * rate),
    gracefulStop: "30s",
  };
  const audit: Scenario = {
    executor: "per-vu-iterations",
    exec: "inspect",
    vus: 1,
    iterations: 1,
    startTime: `${seconds}s`,
    maxDuration: `${drainSeconds * 2 + seconds + 60}s`,
    gracefulStop: "0s",
  };
  return {
    scenarios: { load, audit },
    thresholds: {
      checks: ["rate==1"],
      audits_finished: ["count==1"],
      answered_at_first: ["rate>0.999"],
      dropped_iterations: [`count<=${Math.ceil((rate * seconds) / 100)}`],
      ...thresholds,
    },
    summaryTrendStats: ["p(10)", "med", "p(95)", "p(99)", "max", "count"],
    setupTimeout: "60s",
    batch: 64,
    batchPerHost: 64,
    discardResponseBodies: false,
  };
}

/** Comparisons with the no-op route that are made in a second, at most. */
const comparisonsPerSecond = 20;

/** Whether an iteration is one of those that are compared with the no-op route. */
export function isCompared({ rate }: Amount, iteration: number): boolean {
  return iteration % Math.ceil(rate / comparisonsPerSecond) === 0;
}

/**
 * Thresholds on time as a multiple of the no-op route's: on the quickest tenth, which tells a delay on the
 * way from a machine that is busy, and on the middle.
 */
export function timesNoOp(quickest: number): Record<string, Threshold[]> {
  return { times_no_op: [`p(10)<${quickest}`, `med<${2 * quickest}`] };
}

/** The `handleSummary` of a scenario: results as JSON and Markdown, and Markdown on the terminal. */
export function summaryOf(scenario: ScenarioName) {
  return (summary: Summary): Record<string, string> => {
    const report = reportOf(scenario, promises[scenario], summary);
    const markdown = markdownOf(report);
    return {
      stdout: `${markdown}\n`,
      ...(resultsFolder === null
        ? {}
        : {
            [`${resultsFolder}/results.json`]: `${JSON.stringify(report, null, 2)}\n`,
            [`${resultsFolder}/summary.md`]: markdown,
          }),
    };
  };
}
