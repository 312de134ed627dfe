import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** A part of a benchmark that runs in a process of its own, so that its work is told apart. */
export interface SideProcess {
  readonly pid: number;
  /** Where it listens. */
  readonly url: string;
  /** What its route answers; it is this benchmark's own program, and the caller knows its answers. */
  ask<Answer>(path: string): Promise<Answer>;
  stop(): Promise<void>;
}

/** Starts a program with an order in JSON on its standard input; it prints the port on which it listens. */
export async function startSideProcess(program: string, order: unknown = null): Promise<SideProcess> {
  const child = spawn(process.execPath, ["--no-env-file", program], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const end = () => child.kill("SIGKILL");
  // Whatever fails meanwhile, it does not outlive the benchmark.
  process.once("exit", end);
  child.stdin.end(JSON.stringify(order));
  const port = await portOf(child.stdout);
  if (port === null || child.pid === undefined) throw new Error(`${program} did not start`);
  const url = `http://127.0.0.1:${port}`;
  return {
    pid: child.pid,
    url,
    // The cast says what the caller knows.
    ask: async <Answer>(path: string) => (await (await fetch(url + path)).json()) as Answer,
    stop: async () => {
      process.off("exit", end);
      end();
      await ended;
    },
  };
}

/** The port that a program prints; null where it ends without. What else it prints is its log. */
function portOf(output: Readable): Promise<number | null> {
  return new Promise((resolve) => {
    createInterface({ input: output })
      .on("line", (line) => {
        if (/^\d{1,5}$/.test(line)) resolve(Number(line));
        else console.error(line);
      })
      .on("close", () => resolve(null));
  });
}

/** Serves such a program's routes and prints the port. */
export function serveSideProcess(fetch: (request: Request) => Response | Promise<Response>): void {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 120, fetch });
  console.log(server.port);
}
