import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

/**
 * The folder of the fixed comparisons: `PAYFLOW_BASELINES`, or the one beside the checkout. Null when absent.
 */
export function baselinesFolder(): string | null {
  const folder = process.env.PAYFLOW_BASELINES ?? path.join(repositoryRoot, "..", "shared", "baselines");
  return existsSync(folder) ? folder : null;
}

/** A pgbench, and where the libraries it was unpacked with are. */
export interface Pgbench {
  readonly command: string;
  readonly libraries: string | null;
}

/**
 * pgbench from the PATH or an installed server. Where there is none, Debian's packages are unpacked into the
 * cache: installing them would start a server nobody asked for. Null when it cannot be had.
 */
export function findPgbench(): Pgbench | null {
  const installed = Bun.which("pgbench") ?? newestIn("/");
  if (installed !== null) return { command: installed, libraries: null };
  const folder = path.join(process.env.PAYFLOW_CACHE ?? path.join(homedir(), ".cache", "payflow"), "pgbench");
  const command = newestIn(folder) ?? (unpackPgbench(folder) ? newestIn(folder) : null);
  const [libpq] = [...new Bun.Glob("usr/lib/*/libpq.so.5").scanSync({ cwd: folder, absolute: true })];
  return command === null || libpq === undefined ? null : { command, libraries: path.dirname(libpq) };
}

function newestIn(root: string): string | null {
  if (!existsSync(root)) return null;
  const found = [...new Bun.Glob("usr/lib/postgresql/*/bin/pgbench").scanSync({ cwd: root, absolute: true })];
  return found.toSorted().at(-1) ?? null;
}

function unpackPgbench(folder: string): boolean {
  if (Bun.which("apt-get") === null || Bun.which("dpkg") === null) return false;
  mkdirSync(folder, { recursive: true });
  if (process.getuid?.() === 0) Bun.spawnSync(["apt-get", "update", "-qq"]);
  const depends = Bun.spawnSync(["apt-cache", "depends", "postgresql"]).stdout.toString();
  const server = /Depends: (postgresql-\d+)/.exec(depends)?.[1];
  if (server === undefined) return false;
  const download = Bun.spawnSync(["apt-get", "download", "-qq", server, "libpq5"], { cwd: folder });
  const packages = [...new Bun.Glob("*.deb").scanSync({ cwd: folder, absolute: true })];
  const unpacked = packages.every((file) => Bun.spawnSync(["dpkg", "-x", file, folder]).exitCode === 0);
  return download.exitCode === 0 && unpacked;
}

/** Runs a pgbench script with 64 clients and prepared statements; returns transactions per second. */
export function runPgbench(pgbench: Pgbench, script: string, databaseUrl: string, seconds: number): number {
  const options = ["-n", "-M", "prepared", "-c", "64", "-j", "2", "-T", String(seconds), "-f", script];
  const libraries = pgbench.libraries === null ? {} : { LD_LIBRARY_PATH: pgbench.libraries };
  const run = Bun.spawnSync([pgbench.command, ...options, databaseUrl], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...libraries },
  });
  const found = /tps = ([\d.]+)/.exec(run.stdout.toString());
  if (run.exitCode !== 0 || found === null) {
    const said = run.stderr.toString() + run.stdout.toString();
    throw new Error(`pgbench failed (${run.exitCode}): ${said.slice(0, 1_000)}`);
  }
  return Number(found[1]);
}
