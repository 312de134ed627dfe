import type { BenchFigure, BenchReport } from "../result.ts";
import { notes } from "./notes.ts";
import type { StoredReport, StoredReports } from "./stored-reports.ts";
import { type Target, targets } from "./targets.ts";

const order = ["payments", "ledger", "webhooks", "fraud", "bus", "bus over Kafka", "ingest", "operator"];

const introduction = `# Benchmarks

Written by \`./payflow bench all --report\`; a benchmark that is run alone with \`--report\` replaces its own
part. The figures are those of one machine on one day, and other machines differ: what holds elsewhere is
rather a ratio to the baseline, which is measured in turns with ours within the same run. Every figure of
several rounds is their median, with the least and the most beside it. All apps, stores, receivers and the
load itself share the machine. After each benchmark the books are checked: what was acknowledged must be there
once.
`;

/** The part of the document that a report is: either bus has its own. */
export function partOf({ bench, versions }: BenchReport): string {
  return bench === "bus" && versions.bus === "kafka" ? "bus over Kafka" : bench;
}

/** The whole of docs/benchmarks.md. */
export function describeBenchmarks(stored: StoredReports): string {
  const sections = order.flatMap((name) => {
    const one = stored[name];
    return one === undefined ? [] : section(name, one);
  });
  const picture =
    stored.payments?.report.curves === undefined
      ? []
      : ["![Throughput by connections and latency by load of payments](benchmarks.svg)\n"];
  return [introduction, reachedTable(stored), ...picture, ...sections].join("\n");
}

function reachedTable(stored: StoredReports): string {
  const rows = targets.flatMap((target) => {
    const measured = measuredOf(target, stored[target.bench]?.report);
    if (measured === undefined) return [];
    const reached = (bound: number) => (target.isLess === true ? measured <= bound : measured >= bound);
    const cell = (bound: number | undefined) =>
      bound === undefined ? "" : `${number(bound)}${reached(bound) ? "" : " (not reached)"}`;
    const unit = target.isRatio === true || target.figure.includes("growth") ? "x" : "";
    return [
      `| ${target.bench} | ${target.says} | ${number(measured)}${unit} | ${cell(target.floor)} | ${cell(target.goal)} |`,
    ];
  });
  return [
    "| Benchmark | | Measured | Floor | Goal |",
    "| --- | --- | ---: | ---: | ---: |",
    ...rows,
    "",
  ].join("\n");
}

function measuredOf({ figure, isRatio }: Target, report: BenchReport | undefined): number | undefined {
  const found = report?.results.find((one) => one.name === figure);
  return isRatio === true ? (found?.ratio ?? undefined) : found?.value;
}

function section(name: string, { command, measuredOn, commit, report }: StoredReport): string {
  const { what, limit } = notes[name] ?? { what: "", limit: "" };
  const isCost = (one: BenchFigure) => /^(cpu|memory)_/.test(one.name);
  const facts = { ...report.machine, ...report.versions };
  return [
    `## ${name}\n`,
    `${what}\n`,
    `\`${command}\`, ${measuredOn}, commit ${commit}; ` +
      `${Object.entries(facts)
        .map(([fact, value]) => `${fact.replaceAll("_", " ")} ${value}`)
        .join(", ")}.\n`,
    "| Figure | Median | Least to most | Baseline | Ratio |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...report.results.filter((one) => !isCost(one)).map(figureRow),
    "",
    ...costTable(report),
    `**What limits it.** ${limit} ${sharesOf(report)}\n`,
    ...report.checks.map((check) => `- ${check.ok ? "holds" : "BROKEN"}: ${check.name}`),
    "",
  ].join("\n");
}

function figureRow({ name, value, unit, min, max, baseline, ratio }: BenchFigure): string {
  const range = min === undefined || max === undefined ? "" : `${number(min)} to ${number(max)}`;
  const beside = baseline === null ? "" : `${number(baseline.value)} (${baseline.name})`;
  return `| ${name.replaceAll("_", " ")} | ${number(value)} ${unit} | ${range} | ${beside} | ${ratio ?? ""} |`;
}

/** What each process took, beside each other. */
function costTable({ results }: BenchReport): string[] {
  const named = (prefix: string) =>
    new Map(
      results
        .filter(({ name }) => name.startsWith(prefix))
        .map(({ name, value }) => [name.slice(prefix.length).replace(/-\d+$/, ""), value]),
    );
  const [cpu, memory] = [named("cpu_"), named("memory_")];
  const names = [...new Set([...cpu.keys(), ...memory.keys()])].filter((name) => name !== "total");
  const rows = [...names, "total"].map(
    (name) =>
      `| ${name} | ${cpu.get(name) ?? ""} | ${memory.has(name) ? number(memory.get(name) ?? 0) : ""} |`,
  );
  if (cpu.size === 0) return [];
  return ["| Process | CPU seconds for 1,000 | Memory, MiB |", "| --- | ---: | ---: |", ...rows, ""];
}

/** Who took the processor, from the most. */
function sharesOf({ results, machine }: BenchReport): string {
  const cpu = results.filter(({ name }) => name.startsWith("cpu_"));
  const total = cpu.find(({ name }) => name === "cpu_total")?.value ?? 0;
  if (total === 0) return "";
  const shares = cpu
    .filter(({ name, value }) => name !== "cpu_total" && value / total >= 0.03)
    .toSorted((left, right) => right.value - left.value)
    .map(({ name, value }) => `${name.slice("cpu_".length)} ${Math.round((value / total) * 100)} %`);
  const most = Math.round((Number(machine.cores) / total) * 1_000);
  return (
    `Of the processor time ${shares.join(", ")}. ` +
    `With all ${machine.cores} cores busy this cost admits ${number(most)} a second.`
  );
}

function number(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}
