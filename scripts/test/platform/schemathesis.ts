import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

const version = "4.32.5";

/**
 * Schemathesis of the pinned version in a virtual environment of its own; null where Python cannot make one.
 */
export function findSchemathesis(): string | null {
  const folder = path.join(
    process.env.PAYFLOW_CACHE ?? path.join(homedir(), ".cache", "payflow"),
    `schemathesis-${version}`,
  );
  const command = path.join(folder, "bin", "schemathesis");
  if (existsSync(command)) return command;
  if (Bun.which("python3") === null || !makeEnvironment(folder)) return null;
  const pip = Bun.spawnSync([path.join(folder, "bin", "pip"), "install", "-q", `schemathesis==${version}`]);
  return pip.exitCode === 0 && existsSync(command) ? command : null;
}

function makeEnvironment(folder: string): boolean {
  const make = () => Bun.spawnSync(["python3", "-m", "venv", folder]).exitCode === 0;
  if (make()) return true;
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) return false;
  Bun.spawnSync(["apt-get", "install", "-y", "-qq", "python3-venv"]);
  return make();
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
