import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import type { SystemUser } from "../stores/system-user.ts";

export interface ProcessSpec {
  /** Unique within an installation: `postgres`, `payment-1`. */
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logFile: string;
  /** Whom it runs as; null keeps the present user. */
  readonly user: SystemUser | null;
  readonly stopSignal: "SIGTERM" | "SIGINT" | "SIGKILL";
  /** What the kernel sends it when its supervisor has died, where the stop signal would not end it then. */
  readonly deathSignal?: "SIGKILL";
  /** Killed when it has not ended this long after the stop signal. */
  readonly stopTimeoutMs: number;
  /** What has to be put right before each start. */
  readonly beforeStart?: () => void;
  isReady(): Promise<boolean>;
}

/** A process that can be told from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startedAt: string;
}

const hasSetpriv = spawnSync("setpriv", ["--version"]).status === 0;

/**
 * Starts a process whose output goes straight into its log file. On Linux the kernel sends it a signal when
 * this process dies, so that not even a killed supervisor leaves anything behind.
 */
export function spawnChild(spec: ProcessSpec): Bun.Subprocess {
  mkdirSync(path.dirname(spec.logFile), { recursive: true });
  spec.beforeStart?.();
  const log = openSync(spec.logFile, "a", 0o600);
  try {
    return Bun.spawn([...wrapper(spec), ...spec.command], {
      cwd: spec.cwd,
      env: { ...spec.env, ...testMark() },
      stdin: "ignore",
      stdout: log,
      stderr: log,
      // A group of its own: Ctrl-C in a terminal is for the supervisor alone, which ends apps before stores.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

/** By this a test run finds processes that its tests have left behind. */
function testMark(): Record<string, string> {
  const run = process.env.PAYFLOW_TEST_RUN;
  return run === undefined ? {} : { PAYFLOW_TEST_RUN: run };
}

function wrapper(spec: ProcessSpec): string[] {
  if (!hasSetpriv) {
    if (spec.user === null) return [];
    throw new Error("setpriv is missing: install util-linux, or run ./payflow as a user other than root.");
  }
  const identity =
    spec.user === null
      ? []
      : ["--reuid", `${spec.user.uid}`, "--regid", `${spec.user.gid}`, "--clear-groups"];
  const signal = spec.deathSignal ?? spec.stopSignal;
  return ["setpriv", "--pdeathsig", signal.slice("SIG".length), ...identity, "--"];
}

/**
 * Who a process number belongs to now; null when to nobody, or to one that has ended and waits to be
 * collected.
 */
export function identify(pid: number): ProcessIdentity | null {
  if (process.platform !== "linux") {
    const answer = spawnSync("ps", ["-o", "lstart=", "-p", `${pid}`])
      .stdout.toString()
      .trim();
    return answer === "" ? null : { pid, startedAt: answer };
  }
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name may hold spaces and brackets; fields are counted from behind it (proc(5)).
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    const startedAt = fields[19];
    return startedAt === undefined || fields[0] === "Z" ? null : { pid, startedAt };
  } catch {
    return null;
  }
}

/** Whether that very process still lives, and not another that got its id. */
export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.startedAt === process.startedAt;
}

/** Ends a process that is not our child: the signal first, SIGKILL after the time-out. */
export async function endProcess(
  target: ProcessIdentity,
  signal: NodeJS.Signals,
  timeoutMs: number,
): Promise<void> {
  if (!isAlive(target)) return;
  signalQuietly(target.pid, signal);
  const deadline = Date.now() + timeoutMs;
  while (isAlive(target)) {
    if (Date.now() > deadline) signalQuietly(target.pid, "SIGKILL");
    await Bun.sleep(20);
  }
}

/** It may end between the look and the signal, which is what was wanted. */
function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
