import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import longJobs from "./long-jobs.json";

const file = path.join(repositoryRoot, "node_modules/.cache/payflow-test-durations.json");
/** Of a job that has never run here and was not among the longest where the list was made. */
const shortSeconds = 10;

/**
 * The seconds of jobs that took more than 15 in a whole run on two processors. A test keeps the names to
 * those of jobs that there are.
 */
export const listed: Readonly<Record<string, number>> = longJobs;

/**
 * How long each job took when it ran last: the longest start first, which keeps all processors busy to the
 * end. In a new clone, the list says which those are.
 */
export class Durations {
  readonly #known: Record<string, number> = readKnown();

  of(job: string): number {
    return this.#known[job] ?? (listed[job] ?? shortSeconds) * 1_000;
  }

  remember(job: string, ms: number): void {
    this.#known[job] = Math.round(ms);
  }

  save(): void {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(this.#known));
  }
}

function readKnown(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return {};
  }
}
