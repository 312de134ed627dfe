import path from "node:path";
import type { Received } from "./receiver-process.ts";

export interface Receiver {
  readonly pid: number;
  /** An address that answers, and one that never does. */
  readonly url: string;
  readonly hangingUrl: string;
  /** Requests since `received` was asked last. */
  count(): Promise<number>;
  /** What came since it was asked last. */
  received(): Promise<Received>;
  stop(): Promise<void>;
}

/** Starts a receiver in a process of its own, so that its work is not that of what it measures. */
export async function startReceiver(): Promise<Receiver> {
  const program = path.join(import.meta.dir, "receiver-process.ts");
  const child = Bun.spawn([process.execPath, "--no-env-file", program], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  const port = Number(new TextDecoder().decode((await reader.read()).value));
  const base = `http://127.0.0.1:${port}`;
  return {
    pid: child.pid,
    url: `${base}/hook`,
    hangingUrl: `${base}/hang`,
    // Its own answers: the program stands beside this file.
    count: async () => (await (await fetch(`${base}/count`)).json()) as number,
    received: async () => (await (await fetch(`${base}/received`)).json()) as Received,
    stop: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
