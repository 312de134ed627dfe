import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

const file = path.join(repositoryRoot, "node_modules/.cache/payflow-test-durations.json");
/** A job never seen is taken for a long one, so that it does not come last and keep everyone waiting. */
const unknownMs = 60_000;

/**
 * How long each job took when it ran last: the longest start first, which keeps all processors busy to the
 * end.
 */
export class Durations {
  readonly #known: Record<string, number> = readKnown();

  of(job: string): number {
    return this.#known[job] ?? unknownMs;
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
