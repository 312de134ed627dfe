import { closeSync, openSync, readFileSync, statSync, truncateSync } from "node:fs";
import path from "node:path";
import { freeze } from "@payflow/one-machine/processes/freeze.ts";
import { eventually } from "@payflow/testkit/eventually.ts";

/** How long each sync takes beyond what it takes, as on a slow disk: so that most kills fall into one. */
const syncDelayMs = 10;

/** Whether this user may trace another process, and has the program for it. */
export async function canTrace(): Promise<boolean> {
  if (Bun.which("strace") === null) return false;
  const traced = Bun.spawn(["sleep", "10"]);
  const tracer = Bun.spawn(["strace", "-e", "trace=none", "-o", "/dev/null", "-p", `${traced.pid}`], {
    stderr: "pipe",
  });
  const { value } = await tracer.stderr.getReader().read();
  tracer.kill();
  traced.kill("SIGKILL");
  await Promise.all([tracer.exited, traced.exited]);
  return new TextDecoder().decode(value).includes("attached");
}

/** A Redis whose writes and syncs are followed, call by call. */
export interface FollowedRedis {
  /**
   * Takes from its append-only file what was not synced, as a power loss does; to be called once it has been
   * killed. Returns how many bytes were lost.
   */
  loseUnsynced(): Promise<number>;
}

/** Follows a running Redis from now on, and slows its syncs down; ends with it. `folder` is its data's. */
export async function followRedis(pid: number, folder: string, traceFile: string): Promise<FollowedRedis> {
  // While it stands still, nothing is written between the look at the size and the first call followed.
  const goOn = freeze(pid);
  const file = appendedFile(folder);
  const sizeBefore = statSync(file).size;
  const said = `${traceFile}.said`;
  const stderr = openSync(said, "w");
  const calls = "write,fdatasync,fsync";
  const slowed = `fdatasync:delay_enter=${syncDelayMs * 1_000}`;
  const flags = ["-f", "-y", "-s", "0", "-e", `trace=${calls}`, "-e", `inject=${slowed}`, "-o", traceFile];
  const tracer = Bun.spawn(["strace", ...flags, "-p", `${pid}`], { stderr });
  closeSync(stderr);
  await eventually(() => readFileSync(said, "utf8").includes("attached"));
  goOn();
  return {
    async loseUnsynced() {
      await tracer.exited;
      const synced = sizeBefore + syncedBytes(readFileSync(traceFile, "utf8"), file);
      const lost = statSync(file).size - synced;
      truncateSync(file, synced);
      return lost;
    },
  };
}

/** The file that Redis appends to: the last one that its manifest names (redis.conf, "appenddirname"). */
function appendedFile(folder: string): string {
  const names = readFileSync(path.join(folder, "appendonlydir/appendonly.aof.manifest"), "utf8").matchAll(
    /^file (\S+) seq \d+ type i/gm,
  );
  const last = [...names].at(-1)?.[1];
  if (last === undefined) throw new Error(`Redis appends to no file in ${folder}.`);
  return path.join(folder, "appendonlydir", last);
}

/**
 * How many bytes of a file were written before its last sync that came to an end began, by what strace noted:
 * `12 write(7</path>, ""..., 923) = 923`, or in two lines where another thread's call came between.
 */
function syncedBytes(trace: string, file: string): number {
  const begun = new Map<string, { readonly name: string; readonly written: number }>();
  let written = 0;
  let synced = 0;
  const end = (name: string, writtenBefore: number, result: number) => {
    if (name === "write") written += Math.max(0, result);
    else if (result === 0) synced = Math.max(synced, writtenBefore);
  };
  for (const line of trace.split("\n")) {
    const [, thread = "", call = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const result = / = (-?\d+)/.exec(call)?.[1];
    const resumed = call.startsWith("<... ");
    if (resumed) {
      const known = begun.get(thread);
      begun.delete(thread);
      if (known !== undefined && result !== undefined) end(known.name, known.written, Number(result));
      continue;
    }
    const [, name = "", of = ""] = /^(\w+)\(\d+<([^>]*)>/.exec(call) ?? [];
    if (of !== file) continue;
    if (call.endsWith("<unfinished ...>")) begun.set(thread, { name, written });
    else if (result !== undefined) end(name, written, Number(result));
  }
  return synced;
}
