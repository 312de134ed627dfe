import { readdirSync, readFileSync } from "node:fs";
import { identify, isAlive, type ProcessIdentity } from "@payflow/one-machine/processes/child.ts";

/** Every process of a test run carries this variable, by which those that it leaves behind are found. */
export const runVariable = "PAYFLOW_TEST_RUN";

export interface Leftover extends ProcessIdentity {
  readonly command: string;
}

/**
 * Processes that still carry a run's mark after a few seconds, in which the kernel's notice that their parent
 * is gone lets them end. Empty where there is no /proc to look in.
 */
export async function findLeftovers(run: string, graceMs = 10_000): Promise<Leftover[]> {
  const deadline = Date.now() + graceMs;
  for (;;) {
    const found = marked(run);
    if (found.length === 0 || Date.now() > deadline) return found;
    await Bun.sleep(50);
  }
}

/** Kills what is left, telling each from a later process with its number. */
export function killLeftovers(leftovers: readonly Leftover[]): void {
  for (const leftover of leftovers) if (isAlive(leftover)) process.kill(leftover.pid, "SIGKILL");
}

/** The processes that carry a run's mark just now. */
export function marked(run: string): Leftover[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const environment = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
        if (!environment.includes(`${runVariable}=${run}`)) return [];
        const process = identify(Number(name));
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return process === null ? [] : [{ ...process, command }];
      } catch {
        // It ended while we looked, or belongs to someone else.
        return [];
      }
    });
}
