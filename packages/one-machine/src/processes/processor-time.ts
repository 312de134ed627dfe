import { familiesOf, statFields } from "./families.ts";

/** What times in /proc are counted in: sysconf(_SC_CLK_TCK) is 100 on every Linux that Bun runs on. */
const ticksPerSecond = 100;

/**
 * Seconds of a processor that each of these processes and its descendants took since they began, those that
 * ended meanwhile too. Empty on systems without /proc.
 */
export function processorSecondsByProcess(pids: readonly number[]): Map<number, number> {
  if (process.platform !== "linux") return new Map();
  return new Map(
    [...familiesOf(pids)].map(([pid, family]) => [
      pid,
      family.reduce((sum, member) => sum + ticksOf(member), 0) / ticksPerSecond,
    ]),
  );
}

/** User and system time, of the process itself and of the children it has waited for (proc(5), 14 to 17). */
function ticksOf(pid: number): number {
  const times = statFields(pid)?.slice(11, 15) ?? [];
  return times.reduce((sum, ticks) => sum + Number(ticks), 0);
}
