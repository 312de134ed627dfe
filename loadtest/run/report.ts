/** What a run came to; the same in the file of results and, as Markdown, for people. */
export interface Report {
  readonly scenario: string;
  readonly promise: string;
  readonly isPassed: boolean;
  /** How long k6 ran, with its audit. */
  readonly seconds: number;
  readonly thresholds: readonly { readonly metric: string; readonly rule: string; readonly isMet: boolean }[];
  readonly checks: readonly { readonly name: string; readonly passes: number; readonly fails: number }[];
  /** What was looked at from outside, after k6: charges, lag, streams, deliveries. */
  readonly truths: readonly Truth[];
  readonly figures: readonly { readonly name: string; readonly value: number }[];
  /** Whose data the run made. */
  readonly tenants: readonly string[];
}

/** Something that must hold, and what was found. */
export interface Truth {
  readonly name: string;
  readonly isTrue: boolean;
  readonly found: string;
}

/** What k6 hands to `handleSummary`, as far as it is read here. */
export interface Summary {
  readonly state: { readonly testRunDurationMs: number };
  readonly root_group: Group;
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly setup_data?: { readonly tenants?: readonly { readonly id: string }[] } | undefined;
}

interface Group {
  readonly groups: readonly Group[];
  readonly checks: readonly { readonly name: string; readonly passes: number; readonly fails: number }[];
}

interface Metric {
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

/** The report of a run as k6 saw it. Keys of tenants are left out. */
export function reportOf(scenario: string, promise: string, summary: Summary): Report {
  const thresholds = Object.entries(summary.metrics)
    .flatMap(([metric, { thresholds = {} }]) =>
      Object.entries(thresholds).map(([rule, { ok }]) => ({ metric, rule, isMet: ok })),
    )
    .sort((one, other) => (one.metric < other.metric ? -1 : 1));
  const checks = checksIn(summary.root_group);
  return {
    scenario,
    promise,
    isPassed: thresholds.every((one) => one.isMet) && checks.every((one) => one.fails === 0),
    seconds: rounded(summary.state.testRunDurationMs / 1_000),
    thresholds,
    checks,
    truths: [],
    figures: figuresOf(summary.metrics),
    tenants: (summary.setup_data?.tenants ?? []).map(({ id }) => id),
  };
}

/** The report with what was found from outside. */
export function withTruths(report: Report, truths: readonly Truth[], figures: Report["figures"]): Report {
  return {
    ...report,
    isPassed: report.isPassed && truths.every((one) => one.isTrue),
    truths: [...report.truths, ...truths],
    figures: [...report.figures, ...figures.map(({ name, value }) => ({ name, value: rounded(value) }))],
  };
}

/** The report for people. */
export function markdownOf(report: Report): string {
  const mark = (isRight: boolean) => (isRight ? "holds" : "**BROKEN**");
  const rows = [
    ...report.checks.map(
      ({ name, passes, fails }) => `| ${mark(fails === 0)} | ${name} | ${passes} of ${passes + fails} |`,
    ),
    ...report.truths.map(({ name, isTrue, found }) => `| ${mark(isTrue)} | ${name} | ${found} |`),
    ...report.thresholds.map(({ metric, rule, isMet }) => `| ${mark(isMet)} | \`${metric}: ${rule}\` | |`),
  ];
  return [
    `# ${report.scenario}: ${report.isPassed ? "passed" : "FAILED"}`,
    "",
    `${report.promise} ${report.seconds} s.`,
    "",
    "| | what | found |",
    "| --- | --- | --- |",
    ...rows,
    "",
    "| figure | |",
    "| --- | --- |",
    ...report.figures.map(({ name, value }) => `| ${name} | ${value} |`),
    "",
  ].join("\n");
}

function checksIn(group: Group): Report["checks"] {
  const own = group.checks.map(({ name, passes, fails }) => ({ name, passes, fails }));
  return [...own, ...group.groups.flatMap(checksIn)];
}

/** Of k6's own metrics only those that say something here. */
function figuresOf(metrics: Summary["metrics"]): Report["figures"] {
  return Object.entries(metrics)
    .filter(
      ([name]) =>
        !/^(data_|vus|http_req|group_|iteration_|checks|audits_)|expected_response/.test(name) ||
        name.includes("{route:"),
    )
    .flatMap(([name, { values }]) =>
      Object.entries(values)
        .filter(([statistic]) => isTelling(statistic, values))
        .map(([statistic, value]) => ({ name: `${name} ${statistic}`, value: rounded(value) })),
    )
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Of a counter its count, of a share that, of a distribution its places. */
function isTelling(statistic: string, values: Metric["values"]): boolean {
  if ("med" in values) return ["p(10)", "med", "p(95)", "p(99)", "max"].includes(statistic);
  return statistic === ("count" in values ? "count" : "rate");
}

function rounded(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 1_000) / 1_000;
}
