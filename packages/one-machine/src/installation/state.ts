import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { BusName } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { endProcess, identify, isAlive, type ProcessIdentity } from "../processes/child.ts";
import type { SupervisedProcess } from "../processes/supervisor.ts";
import { isStoreProcess } from "./process-specs.ts";

/** What a user sets by flags; kept in the state folder, so that the next `up` needs no flags. */
export interface Settings {
  readonly portBase: number;
  readonly replicas: number;
  /** What carries the events between the apps. */
  readonly bus: BusName;
  /** Whether the operator runs beside the apps, on the state's cluster. */
  readonly operator: boolean;
}

export interface RecordedProcess extends SupervisedProcess {
  readonly stopSignal: "SIGTERM" | "SIGINT" | "SIGKILL";
}

/** What the supervisor writes down about itself, for `status`, `down` and a later `up`. */
export interface RunRecord<S = Settings> {
  readonly supervisor: ProcessIdentity;
  readonly phase: "starting" | "running" | "failed";
  readonly settings: S;
  readonly processes: readonly RecordedProcess[];
  /** How often changed settings were asked for and dealt with, well or not. */
  readonly changes: number;
  /** Why it could not start, or could not apply changed settings. */
  readonly problem: string | null;
}

const defaultSettings: Settings = { portBase: 3_000, replicas: 1, bus: "redis", operator: false };

/** What stands in a state folder before its secrets do. */
const firstFiles = new Set(["cluster", "logs", "settings.json", "supervisor.lock"]);

/**
 * Makes the state folder, or fails when there is a folder with other things in it: `reset` would delete them.
 * Root's must let PostgreSQL's own account through; the files in it are closed to it.
 */
export function makeStateFolder(state: string): void {
  if (existsSync(state) && !existsSync(path.join(state, "secrets.json"))) {
    const foreign = readdirSync(state).find((name) => !firstFiles.has(name));
    if (foreign !== undefined) {
      throw new Error(`${state} holds ${foreign}, which is not PayFlow's. Choose an empty or a new folder.`);
    }
  }
  mkdirSync(state, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
}

/** Writes a file that only its owner may read, and that readers see either before or after, never half. */
export function writeWhole(file: string, text: string): void {
  const draft = `${file}.${process.pid}.new`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** The settings that an earlier `up` kept in the state's folder, or the defaults. */
export function readSettings(state: string): Settings {
  const file = settingsFile(state);
  const kept: Partial<Settings> = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  return { ...defaultSettings, ...kept };
}

/** Keeps the settings for the next `up`. */
export function writeSettings(state: string, settings: Settings): void {
  writeWhole(settingsFile(state), `${JSON.stringify(settings, null, 2)}\n`);
}

/** What runs on this state, or null. */
export function readRunRecord<S = Settings>(state: string): RunRecord<S> | null {
  try {
    return JSON.parse(readFileSync(runFile(state), "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** Says what runs on this state. */
export function writeRunRecord<S>(state: string, record: RunRecord<S>): void {
  writeWhole(runFile(state), JSON.stringify(record, null, 2));
}

/**
 * Claims a state folder for this process, so that two supervisors never work on one. Fails when a living
 * process has it; one that was killed has lost it.
 */
export function lockState(state: string): void {
  const self = identify(process.pid);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      writeFileSync(lockFile(state), JSON.stringify(self), { mode: 0o600, flag: "wx" });
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const owner = readLock(state);
    if (owner !== null && isAlive(owner)) {
      throw new Error(`Process ${owner.pid} already runs the installation in ${state}.`);
    }
    unlockState(state);
  }
  throw new Error(`Another command claims ${state} at this moment; try again.`);
}

/** Lets another `up` have the state. */
export function unlockState(state: string): void {
  rmSync(lockFile(state), { force: true });
}

function readLock(state: string): ProcessIdentity | null {
  try {
    return JSON.parse(readFileSync(lockFile(state), "utf8"));
  } catch {
    // A killed process may have left it half-written; a living one writes it within a moment.
    return null;
  }
}

/** Says that nothing runs on this state any more. */
export function removeRunRecord(state: string): void {
  rmSync(runFile(state), { force: true });
}

/** The record of the supervisor that runs on this state just now; null when none does. */
export function runningRecord<S = Settings>(state: string): RunRecord<S> | null {
  const record = readRunRecord<S>(state);
  if (record === null || !isAlive(record.supervisor)) return null;
  // A start that failed has ended all it had begun, and only its process may still be there.
  return record.phase === "failed" && record.processes.length === 0 ? null : record;
}

/**
 * Ends what a supervisor that was killed has left running: apps first, so that they can still finish their
 * work.
 */
export async function endLeftovers(state: string): Promise<void> {
  const record = readRunRecord(state);
  if (record === null || isAlive(record.supervisor)) return;
  const isStore = ({ name }: RecordedProcess) => isStoreProcess(name);
  for (const group of [record.processes.filter((one) => !isStore(one)), record.processes.filter(isStore)]) {
    await Promise.all(
      group.map(async ({ pid, startedAt, stopSignal }) => {
        if (pid !== null && startedAt !== null) await endProcess({ pid, startedAt }, stopSignal, 30_000);
      }),
    );
  }
  removeRunRecord(state);
}

const settingsFile = (state: string) => path.join(state, "settings.json");
const lockFile = (state: string) => path.join(state, "supervisor.lock");
const runFile = (state: string) => path.join(state, "running.json");
