import { mkdirSync, openSync } from "node:fs";
import path from "node:path";
import {
  type RunRecord,
  readRunRecord,
  readSettings,
  runningRecord,
  type Settings,
  writeSettings,
} from "@payflow/one-machine/installation/state.ts";
import { logTail } from "@payflow/one-machine/processes/supervisor.ts";
import { applySignal, detachedVariable } from "./in-foreground.ts";
import { summary } from "./summary.ts";

/**
 * Starts a supervisor that outlives this command, shows its progress, and comes back when everything is
 * ready.
 */
export async function runDetached(state: string, settings: Settings): Promise<void> {
  const kept = readSettings(state);
  writeSettings(state, settings);
  const logFile = path.join(state, "logs/supervisor.log");
  mkdirSync(path.dirname(logFile), { recursive: true });
  const log = openSync(logFile, "a", 0o600);
  const command = [process.execPath, "--no-env-file", path.join(import.meta.dir, "../payflow.ts"), "up"];
  const supervisor = Bun.spawn([...command, "--state", state], {
    cwd: "/",
    env: { ...process.env, [detachedVariable]: "1" },
    stdin: "ignore",
    stdout: log,
    stderr: log,
    detached: true,
  });
  console.log(`Starting PayFlow in ${state}`);
  const shown = new Set<string>();
  for (;;) {
    const record = readRunRecord(state);
    const isOurs = record?.supervisor.pid === supervisor.pid;
    if (isOurs) showReady(record, shown);
    if (isOurs && record.phase === "running") break;
    if (supervisor.exitCode !== null || supervisor.signalCode !== null) {
      writeSettings(state, kept);
      throw new Error((isOurs ? record.problem : null) ?? `The supervisor ended.\n${logTail(logFile)}`);
    }
    await Bun.sleep(50);
  }
  supervisor.unref();
  console.log(`\n${await summary(state, settings)}`);
}

/**
 * Says what runs; when flags ask for something else, has the supervisor change to it and waits until it
 * has.
 */
export async function changeRunning(
  state: string,
  running: RunRecord,
  asked: Partial<Settings>,
): Promise<void> {
  const wanted = { ...running.settings, ...asked };
  const isSame = Bun.deepEquals(wanted, running.settings);
  if (isSame) {
    console.log(`PayFlow is already running here (supervisor ${running.supervisor.pid}).\n`);
    console.log(await summary(state, running.settings));
    return;
  }
  console.log(
    `PayFlow is already running here (supervisor ${running.supervisor.pid}); applying the changed flags.`,
  );
  if (wanted.bus !== running.settings.bus) {
    console.log(`  ${running.settings.bus} is read to its end first; payments go on meanwhile.`);
  }
  writeSettings(state, wanted);
  process.kill(running.supervisor.pid, applySignal);
  const changed = await nextChange(state, running.changes);
  if (changed.problem !== null) {
    writeSettings(state, changed.settings);
    throw new Error(changed.problem);
  }
  console.log(`\n${await summary(state, wanted)}`);
}

async function nextChange(state: string, changes: number): Promise<RunRecord> {
  for (;;) {
    const record = runningRecord(state);
    if (record === null) throw new Error("The supervisor ended before it had applied the change.");
    if (record.changes > changes) return record;
    await Bun.sleep(50);
  }
}

function showReady(record: RunRecord, shown: Set<string>): void {
  for (const { name, status } of record.processes) {
    if (status !== "ready" || shown.has(name)) continue;
    shown.add(name);
    console.log(`  ${name} ready`);
  }
}
