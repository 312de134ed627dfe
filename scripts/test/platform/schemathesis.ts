import path from "node:path";
import { findPythonProgram } from "@payflow/one-machine/programs/python-program.ts";

/** Schemathesis of the pinned version; null where Python cannot have it. */
export function findSchemathesis(): string | null {
  return findPythonProgram({ name: "schemathesis", version: "4.32.5", command: "schemathesis" });
}

export interface SchemathesisRun {
  readonly command: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly examples: number;
}

/**
 * Sends generated requests, good and bad, to every documented route; the output says what was wrong, if
 * anything.
 */
export function runSchemathesis({ command, url, headers, examples }: SchemathesisRun): {
  isClean: boolean;
  output: string;
} {
  const checks = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
  ];
  const run = Bun.spawnSync(
    [
      command,
      "run",
      `${url}/openapi.json`,
      ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
      ...["--phases", "examples,coverage,fuzzing", "--max-examples", String(examples), "--seed", "1"],
      ...["--checks", checks.join(","), "--no-shrink", "--continue-on-failure", "--warnings", "off"],
      ...["--request-timeout", "10"],
    ],
    { cwd: path.dirname(command), timeout: 240_000 },
  );
  return { isClean: run.exitCode === 0, output: run.stdout.toString() + run.stderr.toString() };
}
