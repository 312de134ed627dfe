/** What a job came to; a check counts as one. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The names of the skipped tests; a skipped test's name ends with the reason. */
  readonly skippedNames: readonly string[];
}

/**
 * Reads the counts that `bun test` prints at its end. A process that failed without a failed test (a file
 * that cannot be loaded, a crash, a time-out) counts as one failure, so that it cannot pass unseen.
 */
export function readOutcome(kind: "check" | "tests", output: string, exitCode: number): Outcome {
  if (kind === "check") {
    return { passed: exitCode === 0 ? 1 : 0, failed: exitCode === 0 ? 0 : 1, skipped: 0, skippedNames: [] };
  }
  const failed = count(output, "fail") + count(output, "errors?");
  const skippedNames = [...output.matchAll(/^\(skip\) (.*)$/gm)].map(([, name]) => name ?? "");
  return {
    passed: count(output, "pass"),
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: count(output, "skip"),
    skippedNames,
  };
}

/** The last line of its kind is the summary's: what tests print themselves stands before it. */
function count(output: string, word: string): number {
  const lines = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))];
  return Number(lines.at(-1)?.[1] ?? 0);
}

/** The outcomes of several files as one. */
export function sumOutcomes(outcomes: readonly Outcome[]): Outcome {
  const sum = (pick: (outcome: Outcome) => number) => outcomes.reduce((total, one) => total + pick(one), 0);
  return {
    passed: sum((one) => one.passed),
    failed: sum((one) => one.failed),
    skipped: sum((one) => one.skipped),
    skippedNames: outcomes.flatMap((one) => one.skippedNames),
  };
}

/** The last line of a run, which CI reads. */
export function totalLine({ passed, failed, skipped }: Outcome): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
