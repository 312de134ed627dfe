import path from "node:path";
import { startSideProcess } from "../measure/side-process.ts";
import type { Received } from "./receiver-process.ts";

export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

/** Starts a receiver in a process of its own. */
export async function startReceiver() {
  const side = await startSideProcess(path.join(import.meta.dir, "receiver-process.ts"));
  return {
    pid: side.pid,
    /** An address that answers, and one that never does. */
    url: `${side.url}/hook`,
    hangingUrl: `${side.url}/hang`,
    /** Requests since `received` was asked last. */
    count: () => side.ask<number>("/count"),
    /** What came since it was asked last. */
    received: () => side.ask<Received>("/received"),
    stop: side.stop,
  };
}
