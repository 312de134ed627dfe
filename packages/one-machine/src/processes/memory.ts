import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { familiesOf } from "./families.ts";

/**
 * Bytes of memory that each of these processes and its descendants take, by process number. On Linux shared
 * pages are divided among those who share them (Pss in proc_pid_smaps_rollup(5)), so that the figures may be
 * added up; elsewhere it is the resident size. A process in the list is counted apart from its parent in the
 * list.
 */
export function memoryByProcess(pids: readonly number[]): Map<number, number> {
  const sum = (family: readonly number[]) => family.reduce((total, pid) => total + ownMemory(pid), 0);
  return new Map([...familiesOf(pids)].map(([pid, family]) => [pid, sum(family)]));
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
