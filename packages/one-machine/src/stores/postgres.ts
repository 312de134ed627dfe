import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import postgres from "postgres";
import type { ProcessSpec } from "../processes/child.ts";
import { postgresBinaries } from "./postgres-binaries.ts";
import { type SystemUser, unprivilegedUser } from "./system-user.ts";

export interface LocalPostgres {
  readonly dataDirectory: string;
  readonly port: number;
  /** Of the superuser `postgres`. */
  readonly password: string;
  readonly logFile: string;
  /** False where only processes die and never the power: then nothing waits for the disk. */
  readonly isDurable?: boolean;
  /** Server settings that differ from the ones below. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Sized for two cores and for a whole installation in under 900 MB; nothing here trades durability for
 * speed.
 */
const serverSettings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  // Socket paths are limited to 107 bytes, which a deep state folder exceeds.
  unix_socket_directories: "",
  max_connections: "500",
  shared_buffers: "128MB",
  effective_cache_size: "512MB",
  work_mem: "4MB",
  maintenance_work_mem: "64MB",
  random_page_cost: "1.1",
  jit: "off",
  io_method: "sync",
  max_parallel_workers_per_gather: "0",
  wal_compression: "on",
  wal_buffers: "16MB",
  max_wal_size: "2GB",
  checkpoint_timeout: "10min",
  autovacuum_naptime: "15s",
  autovacuum_vacuum_cost_limit: "1000",
  fsync: "on",
  synchronous_commit: "on",
  log_checkpoints: "off",
  log_line_prefix: "%m [%p] %u@%d ",
  // A refused statement, its parameters and the row in its DETAIL hold what tenants sent, and sometimes a
  // password.
  log_error_verbosity: "terse",
  log_min_error_statement: "panic",
  log_parameter_max_length: "0",
  log_parameter_max_length_on_error: "0",
};

/**
 * Makes the data folder when there is none yet. An interrupted first start leaves nothing that looks
 * finished.
 */
export function initializePostgres(dataDirectory: string, password: string, isDurable = true): void {
  if (existsSync(path.join(dataDirectory, "PG_VERSION"))) return;
  const user = unprivilegedUser();
  const draft = `${dataDirectory}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  const passwordFile = path.join(tmpdir(), `payflow-initdb-${process.pid}-${Date.now()}`);
  writeFileSync(passwordFile, password, { mode: 0o600, flag: "wx" });
  try {
    if (user !== null) for (const file of [draft, passwordFile]) chownSync(file, user.uid, user.gid);
    const made = spawnSync(
      path.join(postgresBinaries(), "bin/initdb"),
      [
        ["-D", draft, "-U", "postgres", `--pwfile=${passwordFile}`, "--auth=scram-sha-256"],
        isDurable ? [] : ["--no-sync"],
        ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"],
      ].flat(),
      {
        cwd: "/",
        env: { LC_ALL: "C", TZ: "UTC" },
        ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
      },
    );
    if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr.toString()}`);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  chmodSync(draft, 0o700);
  renameSync(draft, dataDirectory);
}

/** How the server is run. Its folder must have been made by `initializePostgres`. */
export function postgresProcess(local: LocalPostgres): ProcessSpec {
  const durability =
    local.isDurable === false ? { fsync: "off", full_page_writes: "off", wal_compression: "off" } : {};
  const settings = { ...serverSettings, ...durability, ...local.settings };
  return {
    name: "postgres",
    command: [
      path.join(postgresBinaries(), "bin/postgres"),
      "-D",
      local.dataDirectory,
      "-p",
      `${local.port}`,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    env: { LC_ALL: "C", TZ: "UTC" },
    cwd: "/",
    logFile: local.logFile,
    user: unprivilegedUser(),
    // SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for the last client to leave.
    stopSignal: "SIGINT",
    stopTimeoutMs: 30_000,
    isReady: () => answers(postgresUrl(local, "postgres", local.password, "postgres")),
  };
}

/** The URL of a database for one role, with the role's password. */
export function postgresUrl(
  server: { readonly port: number },
  role: string,
  password: string,
  database: string,
): string {
  return `postgres://${role}:${password}@127.0.0.1:${server.port}/${database}`;
}

async function answers(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} });
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Holds the data of installations whose state folder PostgreSQL's account cannot reach. */
export const outsideRoot = "/var/lib/payflow";

/**
 * Where the data belongs: inside the state folder, or, when the server's account cannot get there (a folder
 * with mode 700 above it, such as /root), below /var/lib/payflow under the installation's own id.
 */
export function choosePostgresDirectory(stateDirectory: string, installationId: string): string {
  const user = unprivilegedUser();
  if (user === null || canReach(stateDirectory, user)) return path.join(stateDirectory, "postgres");
  const outside = path.join(outsideRoot, installationId);
  mkdirSync(outside, { recursive: true });
  for (const folder of [path.dirname(outside), outside]) chmodSync(folder, 0o755);
  return path.join(outside, "postgres");
}

function canReach(folder: string, user: SystemUser): boolean {
  const looked = spawnSync("/bin/sh", ["-c", 'cd "$1"', "sh", folder], {
    cwd: "/",
    uid: user.uid,
    gid: user.gid,
  });
  return looked.status === 0;
}
