import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/**
 * Each of these processes with its descendants, by process number. A process in the list is counted apart
 * from its parent in the list.
 */
export function familiesOf(pids: readonly number[]): Map<number, readonly number[]> {
  const listed = new Set(pids);
  const children = new Map<number, number[]>();
  for (const { pid, parent } of allProcesses()) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const family = (pid: number): number[] => [
    pid,
    ...(children.get(pid) ?? []).filter((child) => !listed.has(child)).flatMap(family),
  ];
  return new Map(pids.map((pid) => [pid, family(pid)]));
}

/**
 * The fields of a process's /proc/<pid>/stat from its state on, which proc(5) counts as the third. Null when
 * it has ended, and on systems without /proc.
 */
export function statFields(pid: number | string): readonly string[] | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name may hold spaces and brackets; fields are counted from behind it.
    return line.slice(line.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
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
  const parent = /^\d+$/.test(name) ? statFields(name)?.[1] : undefined;
  return parent === undefined ? [] : [{ pid: Number(name), parent: Number(parent) }];
}
