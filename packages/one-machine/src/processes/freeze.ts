import { readdirSync, readFileSync } from "node:fs";

/**
 * Stops a process and all it has started, without ending them: connections stay open and nobody answers, as
 * when a network swallows every packet. Returns how to let them go on.
 */
export function freeze(pid: number): () => void {
  const frozen = new Set<number>();
  // The parent first, so that it starts no more; children that came before that are found in the next look.
  for (let found = [pid]; found.length > 0; found = childrenOf(frozen).filter((one) => !frozen.has(one))) {
    for (const one of found) if (signal(one, "SIGSTOP")) frozen.add(one);
  }
  return () => {
    for (const one of [...frozen].reverse()) signal(one, "SIGCONT");
  };
}

/** False when it has ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

function childrenOf(parents: ReadonlySet<number>): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parents.has(parentOf(pid)));
}

function parentOf(pid: number): number {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name may hold spaces and brackets; fields are counted from behind it (proc(5)).
    return Number(line.slice(line.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return -1;
  }
}
