import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { identify, type ProcessSpec } from "./child.ts";
import { Supervisor } from "./supervisor.ts";

let folder: string;
let supervisor: Supervisor;
/** Whom the supervisor listed at each change, as a run record does. */
let listed: (number | null)[][];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "payflow-supervisor-"));
  listed = [];
  supervisor = new Supervisor(() => listed.push(pids()));
});
afterEach(() => {
  supervisor.killAll();
  rmSync(folder, { recursive: true });
});

const pids = () => supervisor.processes().map(({ pid }) => pid);
const mayEnd = () => path.join(folder, "may-end");

/** A process that is told to end, and does so once it may. */
function slowToEnd(): ProcessSpec {
  const script = `trap 'until [ -e ${mayEnd()} ]; do sleep 0.02; done; exit 3' TERM
    touch ready
    while :; do sleep 0.02; done`;
  return {
    ...{ name: "slow", command: ["sh", "-c", script], env: { PATH: process.env.PATH ?? "" }, cwd: folder },
    ...{ logFile: path.join(folder, "log"), user: null, stopSignal: "SIGTERM", stopTimeoutMs: 60_000 },
    isReady: () => Bun.file(path.join(folder, "ready")).exists(),
  };
}

test("a process that is being ended is listed until it has ended", async () => {
  await supervisor.start(slowToEnd());
  const [pid] = pids();
  listed = [];
  const stopped = supervisor.stop("slow");
  expect([pids(), listed.at(-1)]).toEqual([[pid ?? null], [pid ?? null]]);
  expect(supervisor.has("slow")).toBe(false);
  expect(identify(pid ?? 0)).not.toBeNull();
  writeFileSync(mayEnd(), "");
  // Whoever asks meanwhile waits for the same end.
  expect(await Promise.all([stopped, supervisor.stop("slow")])).toEqual([3, 3]);
  expect([pids(), listed.at(-1)]).toEqual([[], []]);
  expect(await supervisor.stop("slow")).toBeNull();
}, 30_000);

test("one that is started while it is being ended starts after that", async () => {
  await supervisor.start(slowToEnd());
  const [before] = pids();
  const stopped = supervisor.stop("slow");
  const started = supervisor.start(slowToEnd());
  expect(pids()).toEqual([before ?? null]);
  writeFileSync(mayEnd(), "");
  expect(await stopped).toBe(3);
  await started;
  expect(pids()).toHaveLength(1);
  expect(pids()).not.toEqual([before ?? null]);
}, 30_000);

test("what cannot be put right before a start is tried again, and harms nobody else", async () => {
  let tries = 0;
  const spec: ProcessSpec = {
    ...slowToEnd(),
    beforeStart: () => {
      tries += 1;
      if (tries === 2) throw new Error("The disk is full.");
    },
  };
  await supervisor.start(spec);
  supervisor.kill("slow", "SIGKILL");
  await eventually(() => tries === 3 && supervisor.processes()[0]?.status === "ready");
}, 30_000);

test("one that cannot be started at first is forgotten, and the error is the caller's", async () => {
  const spec = slowToEnd();
  const hopeless = () => {
    throw new Error("The disk is full.");
  };
  await expect(supervisor.start({ ...spec, beforeStart: hopeless })).rejects.toThrow("The disk is full.");
  await supervisor.start(spec);
}, 30_000);

test("a supervisor that ends at once takes along what is being ended", async () => {
  await supervisor.start(slowToEnd());
  const stopped = supervisor.stop("slow");
  supervisor.killAll();
  expect(await stopped).toBe(137);
}, 30_000);
