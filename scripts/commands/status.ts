import { clusterFolder } from "@payflow/one-machine/cluster/cluster.ts";
import { operator, platform } from "@payflow/one-machine/installation/apps.ts";
import { PortPlan } from "@payflow/one-machine/installation/port-plan.ts";
import { processName } from "@payflow/one-machine/installation/process-specs.ts";
import { type RunRecord, runningRecord } from "@payflow/one-machine/installation/state.ts";
import { memoryByProcess } from "@payflow/one-machine/processes/memory.ts";
import { Command } from "commander";
import type { ClusterSettings } from "../cluster/settings.ts";
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
  const cluster = runningRecord<ClusterSettings>(clusterFolder(state));
  const lines = [
    ...ownLine("supervisor", record),
    ...(await Promise.all(record.processes.map((one) => line(one, record)))),
    ...(cluster === null ? [] : [...ownLine("cluster", cluster), ...clusterLines(cluster)]),
  ];
  const memory = memoryByProcess(lines.flatMap(({ pid }) => (pid === null ? [] : [pid])));
  const total = [...memory.values()].reduce((sum, bytes) => sum + bytes, 0);
  printTable([
    ["PROCESS", "STATUS", "PID", "PORT", "RESTARTS", "MEMORY"],
    ...lines.map((one) => cells(one, memory)),
    ["total", "", "", "", "", inMebibytes(total)],
  ]);
  if (record.problem !== null) console.log(`\n${record.problem}`);
  const isClusterMissing = record.settings.operator && cluster === null;
  if (isClusterMissing) {
    console.log(`\nThe operator's cluster has ended. Start it with ./payflow up${stateFlag(state)}.`);
  }
  const isReady = lines.every(({ status }) => status === "ready" || status === "running");
  if (!isReady || isClusterMissing) process.exitCode = 1;
}

/** One process, as it is shown. */
interface Line {
  readonly name: string;
  readonly status: string;
  readonly pid: number | null;
  readonly port: number | null;
  readonly restarts: number;
}

function ownLine(name: string, { phase, supervisor }: RunRecord<unknown>): Line[] {
  return [{ name, status: phase, pid: supervisor.pid, port: null, restarts: 0 }];
}

async function line(one: RunRecord["processes"][number], { settings }: RunRecord): Promise<Line> {
  const { port, replicaPort } = portsOf(one.name, settings.portBase);
  const isReady = replicaPort === null || (await answersReady(replicaPort));
  return { ...one, status: one.status === "ready" && !isReady ? "not ready" : one.status, port };
}

function clusterLines({ processes, settings }: RunRecord<ClusterSettings>): Line[] {
  return processes.map((one) => ({ ...one, port: one.name === "kube-apiserver" ? settings.port : null }));
}

function cells({ name, status, pid, port, restarts }: Line, memory: ReadonlyMap<number, number>): string[] {
  return [name, status, `${pid ?? ""}`, `${port ?? ""}`, `${restarts}`, mebibytes(memory, pid)];
}

function portsOf(name: string, portBase: number): { port: number | null; replicaPort: number | null } {
  const ports = new PortPlan(portBase);
  if (name === processName(operator, 1)) return { port: null, replicaPort: ports.replica(operator, 1) };
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
