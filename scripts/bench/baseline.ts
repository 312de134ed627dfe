import { existsSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

/**
 * The folder of the fixed comparisons: `PAYFLOW_BASELINES`, or the one beside the checkout. Null when absent.
 */
export function baselinesFolder(): string | null {
  const folder = process.env.PAYFLOW_BASELINES ?? path.join(repositoryRoot, "..", "shared", "baselines");
  return existsSync(folder) ? folder : null;
}

/**
 * Where pgbench is; on Debian, root installs it with the server's package when it is missing. Null when it
 * cannot be had.
 */
export function findPgbench(): string | null {
  const onPath = () => Bun.which("pgbench") ?? newestInstalled();
  const found = onPath();
  if (found !== null || process.getuid?.() !== 0 || Bun.which("apt-get") === null) return found;
  Bun.spawnSync(["apt-get", "update", "-qq"]);
  Bun.spawnSync(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql-15"]);
  return onPath();
}

function newestInstalled(): string | null {
  const found = [...new Bun.Glob("/usr/lib/postgresql/*/bin/pgbench").scanSync({ cwd: "/", absolute: true })];
  return found.toSorted().at(-1) ?? null;
}

/** Runs a pgbench script with 64 clients and prepared statements; returns transactions per second. */
export function runPgbench(pgbench: string, script: string, databaseUrl: string, seconds: number): number {
  const run = Bun.spawnSync(
    [
      pgbench,
      "-n",
      "-M",
      "prepared",
      "-c",
      "64",
      "-j",
      "2",
      "-T",
      String(seconds),
      "-f",
      script,
      databaseUrl,
    ],
    { stdout: "pipe", stderr: "pipe" },
  );
  const found = /tps = ([\d.]+)/.exec(run.stdout.toString());
  if (run.exitCode !== 0 || found === null)
    throw new Error(`pgbench failed: ${run.stderr.toString().slice(0, 500)}`);
  return Number(found[1]);
}
