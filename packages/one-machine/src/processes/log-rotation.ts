import { copyFileSync, existsSync, readdirSync, statSync, truncateSync } from "node:fs";
import path from "node:path";

const largestBytes = 100 * 1024 * 1024;
const everyMs = 60_000;

/**
 * Keeps each log of a folder below about 100 MiB, with one older copy. Processes append to files that they
 * hold open, so a full one is copied and emptied; lines written in that moment may be lost. Answers how to
 * stop.
 */
export function rotateLogs(folder: string): () => void {
  const timer = setInterval(() => rotateOnce(folder, largestBytes), everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Empties the logs that are larger than this, after copying each to a file with `.1` behind its name. */
export function rotateOnce(folder: string, largerThanBytes: number): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name);
    if (!name.endsWith(".log") || statSync(file).size <= largerThanBytes) continue;
    copyFileSync(file, `${file}.1`);
    truncateSync(file, 0);
  }
}
