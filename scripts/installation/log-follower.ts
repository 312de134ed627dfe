import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { logFile } from "@payflow/one-machine/installation/process-specs.ts";

/** Prints what processes write from now on, each line behind its process's name. Answers how to stop. */
export function followLogs(processes: () => readonly { readonly name: string }[], state: string): () => void {
  const positions = new Map<string, number>();
  const sizeOf = (file: string) => (existsSync(file) ? statSync(file).size : 0);
  for (const { name } of processes()) positions.set(name, sizeOf(logFile(state, name)));
  const timer = setInterval(() => {
    for (const { name } of processes()) {
      const file = logFile(state, name);
      if (!existsSync(file)) continue;
      positions.set(name, printFrom(file, name, positions.get(name) ?? 0));
    }
  }, 200);
  return () => clearInterval(timer);
}

/** A line behind the name of the process that wrote it. */
export function prefixed(name: string, line: string): string {
  return `${name.padEnd(14)}| ${line}`;
}

/** Prints the whole lines behind a position; answers where the next ones begin. */
function printFrom(file: string, name: string, position: number): number {
  const descriptor = openSync(file, "r");
  try {
    const { size } = fstatSync(descriptor);
    const start = size < position ? 0 : position;
    const bytes = Buffer.alloc(Math.min(size - start, 1_000_000));
    readSync(descriptor, bytes, 0, bytes.length, start);
    const end = bytes.lastIndexOf("\n") + 1;
    if (end === 0) return start;
    const lines = bytes.toString("utf8", 0, end - 1).split("\n");
    process.stdout.write(`${lines.map((line) => prefixed(name, line)).join("\n")}\n`);
    return start + end;
  } finally {
    closeSync(descriptor);
  }
}
