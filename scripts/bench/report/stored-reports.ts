import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import type { BenchReport } from "../result.ts";
import { describeBenchmarks, partOf } from "./document.ts";
import { drawCurves } from "./picture.ts";

/** A report with what it takes to make it again. */
export interface StoredReport {
  readonly command: string;
  readonly measuredOn: string;
  readonly commit: string;
  readonly report: BenchReport;
}

export type StoredReports = Readonly<Record<string, StoredReport>>;

const folder = path.join(repositoryRoot, "docs");
const data = path.join(folder, "benchmarks.json");

/**
 * Puts a report in the place of the earlier one of its benchmark and writes docs/benchmarks.md and its
 * picture anew, from this and what the other benchmarks reported last.
 */
export function storeReport(report: BenchReport, command: string): void {
  const earlier: StoredReports = existsSync(data) ? JSON.parse(readFileSync(data, "utf8")) : {};
  const commit = Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"], { cwd: repositoryRoot });
  const stored: StoredReports = {
    ...earlier,
    [partOf(report)]: {
      command,
      measuredOn: new Date().toISOString().slice(0, 10),
      commit: commit.stdout.toString().trim() || "unknown",
      report,
    },
  };
  writeFileSync(data, `${JSON.stringify(stored, null, 2)}\n`);
  const { curves } = stored.payments?.report ?? {};
  if (curves !== undefined) writeFileSync(path.join(folder, "benchmarks.svg"), drawCurves(curves));
  writeFileSync(path.join(folder, "benchmarks.md"), describeBenchmarks(stored));
}
