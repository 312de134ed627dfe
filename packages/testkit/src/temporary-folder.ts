import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const prefix = "payflow-test-";
let folder: string | undefined;
const endings: (() => void)[] = [];

/**
 * Registers what must have ended before this process's folder is removed. Runs when the process ends; must
 * not wait.
 */
export function beforeRemoval(end: () => void): void {
  endings.push(end);
}

/**
 * A folder of this process's own, which goes with it. Under `bun test`, which runs no exit handlers, and
 * after a kill the next process removes it; the servers in it are ended by the kernel in any case.
 */
export function temporaryFolder(): string {
  if (folder !== undefined) return folder;
  removeAbandoned();
  const made = mkdtempSync(path.join(tmpdir(), `${prefix}${process.pid}-`));
  // PostgreSQL's own account has to get through.
  chmodSync(made, 0o711);
  process.on("exit", () => {
    for (const end of endings) end();
    // Servers that were killed a moment ago may still be writing.
    rmSync(made, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  });
  folder = made;
  return made;
}

function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || isRunning(Number(owner))) continue;
    try {
      rmSync(path.join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // Another user's, or one that a parallel test process removes at this moment.
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
