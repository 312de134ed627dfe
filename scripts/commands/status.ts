import { platform } from "@payflow/one-machine/installation/apps.ts";
import { PortPlan } from "@payflow/one-machine/installation/port-plan.ts";
import { type RunRecord, runningRecord } from "@payflow/one-machine/installation/state.ts";
import { memoryByProcess } from "@payflow/one-machine/processes/memory.ts";
import { Command } from "commander";
import { type StateFlag, stateFlag, stateOption } from "./state-option.ts";

export function statusCommand(): Command {
  return new Command("status")
    .description("Shows every process of an installation with its memory; exits 0 only if all are ready.")
    .addOption(stateOption())
    .action(showStatus);
}

async function showStatus({ state }: StateFlag): Promise<void> {
  const record = runningRecord(state);
  if (record === null) {
    console.log(`Nothing is running in ${state}. Start it with ./payflow up${stateFlag(state)}.`);
    process.exitCode = 1;
    return;
  }
  const pids = [record.supervisor.pid, ...record.processes.flatMap(({ pid }) => (pid === null ? [] : [pid]))];
  const memory = memoryByProcess(pids);
  const rows = await Promise.all(record.processes.map((one) => row(one, record, memory)));
  const supervisor = [
    "supervisor",
    record.phase,
    `${record.supervisor.pid}`,
    "",
    "0",
    mebibytes(memory, record.supervisor.pid),
  ];
  const total = [...memory.values()].reduce((sum, bytes) => sum + bytes, 0);
  const header = ["PROCESS", "STATUS", "PID", "PORT", "RESTARTS", "MEMORY"];
  printTable([header, supervisor, ...rows, ["total", "", "", "", "", inMebibytes(total)]]);
  if (record.problem !== null) console.log(`\n${record.problem}`);
  const isReady = record.phase === "running" && rows.every(([, status]) => status === "ready");
  if (!isReady) process.exitCode = 1;
}

async function row(
  one: RunRecord["processes"][number],
  { settings }: RunRecord,
  memory: ReadonlyMap<number, number>,
): Promise<string[]> {
  const { port, replicaPort } = portsOf(one.name, settings.portBase);
  const isReady = replicaPort === null || (await answersReady(replicaPort));
  const status = one.status === "ready" && !isReady ? "not ready" : one.status;
  return [
    one.name,
    status,
    `${one.pid ?? ""}`,
    `${port ?? ""}`,
    `${one.restarts}`,
    mebibytes(memory, one.pid),
  ];
}

function portsOf(name: string, portBase: number): { port: number | null; replicaPort: number | null } {
  const ports = new PortPlan(portBase);
  const stores = new Map([
    ["postgres", ports.postgres],
    ["redis-cache", ports.cacheRedis],
    ["redis-durable", ports.durableRedis],
    ["kafka", ports.kafka],
  ]);
  const app = platform.apps.find((one) => name.startsWith(`${one.name}-`));
  if (app === undefined) return { port: stores.get(name) ?? null, replicaPort: null };
  return {
    port: ports.public(app),
    replicaPort: ports.replica(app, Number(name.slice(app.name.length + 1))),
  };
}

async function answersReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(3_000) })).ok;
  } catch {
    return false;
  }
}

function mebibytes(memory: ReadonlyMap<number, number>, pid: number | null): string {
  const bytes = pid === null ? undefined : memory.get(pid);
  return bytes === undefined ? "" : inMebibytes(bytes);
}

function inMebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  for (const cells of rows) {
    console.log(
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    );
  }
}
