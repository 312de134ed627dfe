import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/**
 * Bytes of memory that each of these processes and its descendants take, by process number. On Linux shared
 * pages are divided among those who share them (Pss in proc_pid_smaps_rollup(5)), so that the figures may be
 * added up; elsewhere it is the resident size. A process in the list is counted apart from its parent in the
 * list.
 */
export function memoryByProcess(pids: readonly number[]): Map<number, number> {
  const listed = new Set(pids);
  const children = new Map<number, number[]>();
  for (const { pid, parent } of allProcesses()) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const familyMemory = (pid: number): number => {
    const descendants = (children.get(pid) ?? []).filter((child) => !listed.has(child));
    return descendants.reduce((sum, child) => sum + familyMemory(child), ownMemory(pid));
  };
  return new Map(pids.map((pid) => [pid, familyMemory(pid)]));
}

function allProcesses(): { pid: number; parent: number }[] {
  if (process.platform === "linux") return readdirSync("/proc").flatMap(fromProc);
  const lines = spawnSync("ps", ["-A", "-o", "pid=,ppid="]).stdout.toString().trim().split("\n");
  return lines.map((line) => {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    return { pid: pid ?? 0, parent: parent ?? 0 };
  });
}

/** Small Linux images come without `ps`. */
function fromProc(name: string): { pid: number; parent: number }[] {
  if (!/^\d+$/.test(name)) return [];
  try {
    const line = readFileSync(`/proc/${name}/stat`, "utf8");
    // The command's name may hold spaces and brackets; fields are counted from behind it (proc(5)).
    const parent = line.slice(line.lastIndexOf(")") + 2).split(" ")[1];
    return [{ pid: Number(name), parent: Number(parent) }];
  } catch {
    return [];
  }
}

function ownMemory(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    if (process.platform === "linux") return 0;
    const resident = spawnSync("ps", ["-o", "rss=", "-p", `${pid}`])
      .stdout.toString()
      .trim();
    return Number(resident || 0) * 1024;
  }
}
