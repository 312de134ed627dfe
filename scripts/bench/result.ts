import { cpus, totalmem } from "node:os";

/** One figure, and what it is compared with in the same run. */
export interface BenchFigure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: { readonly name: string; readonly value: number } | null;
  readonly ratio: number | null;
  /** The least and the most of the rounds whose median `value` is. */
  readonly min?: number;
  readonly max?: number;
}

/** A truth that must hold, whatever the speed. */
export interface BenchCheck {
  readonly name: string;
  readonly ok: boolean;
}

/** Points of the picture: what a figure becomes as the load grows. */
export interface BenchCurves {
  readonly throughput: readonly { readonly connections: number; readonly perSecond: number }[];
  readonly latency: readonly { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number }[];
}

export interface BenchReport {
  readonly bench: string;
  readonly results: readonly BenchFigure[];
  readonly checks: readonly BenchCheck[];
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly curves?: BenchCurves;
}

/** A figure without anything to compare it with. */
export function figure(name: string, value: number, unit: string): BenchFigure {
  return { name, value: round(value), unit, baseline: null, ratio: null };
}

/** A figure beside a baseline of the same run. */
export function comparedFigure(
  name: string,
  value: number,
  unit: string,
  baseline: { readonly name: string; readonly value: number } | null,
): BenchFigure {
  if (baseline === null) return figure(name, value, unit);
  const rounded = { name: baseline.name, value: round(baseline.value) };
  return { name, value: round(value), unit, baseline: rounded, ratio: round(value / baseline.value) };
}

/** The median of rounds with least and most, beside that of the baseline's rounds. */
export function spreadFigure(
  name: string,
  rounds: readonly number[],
  unit: string,
  baseline: { readonly name: string; readonly rounds: readonly number[] } | null = null,
): BenchFigure {
  const beside =
    baseline === null || baseline.rounds.length === 0
      ? null
      : { name: baseline.name, value: median(baseline.rounds) };
  const least = round(Math.min(...rounds));
  const most = round(Math.max(...rounds));
  return { ...comparedFigure(name, median(rounds), unit, beside), min: least, max: most };
}

/** The median and the 99th of a hundred of latencies in milliseconds. */
export function latencyFigures(name: string, tookMs: readonly number[]): BenchFigure[] {
  return [
    figure(`${name}_p50_ms`, percentile(tookMs, 0.5), "ms"),
    figure(`${name}_p99_ms`, percentile(tookMs, 0.99), "ms"),
  ];
}

/** The machine as far as it explains figures. */
export function machine(): BenchReport["machine"] {
  const [first] = cpus();
  return {
    cores: cpus().length,
    processor: first?.model ?? "unknown",
    memory_gib: round(totalmem() / 2 ** 30),
  };
}

/** The value below which the given share (0 to 1) of all values lies, by nearest rank; 0 for no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** The middle one of the values, or the mean of the middle two; 0 for no values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const [low = 0, high = low] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (low + high) / 2;
}

function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
}

/** The report as a person reads it. */
export function describeReport(report: BenchReport): string {
  const rows = report.results.map(({ name, value, unit, baseline, ratio, min, max }) => {
    const range = min === undefined ? "" : ` (${min} to ${max})`;
    const against = baseline === null ? "" : `   ${ratio} x ${baseline.name} (${baseline.value})`;
    return `  ${name.padEnd(34)} ${String(value).padStart(10)} ${unit}${range}${against}`;
  });
  const checks = report.checks.map(({ name, ok }) => `  ${ok ? "holds " : "BROKEN"} ${name}`);
  return [`${report.bench}`, ...rows, "checks", ...checks].join("\n");
}
