import { readFileSync } from "node:fs";
import { backoffMs } from "@payflow/service-kit/concurrency/retry.ts";
import { identify, type ProcessSpec, spawnChild } from "./child.ts";

export type ProcessStatus = "starting" | "ready" | "waiting" | "failed" | "stopped";

export interface SupervisedProcess {
  readonly name: string;
  readonly status: ProcessStatus;
  readonly pid: number | null;
  readonly startedAt: string | null;
  readonly restarts: number;
}

interface Entry {
  readonly spec: ProcessSpec;
  child: Bun.Subprocess | null;
  startedAt: string | null;
  status: ProcessStatus;
  restarts: number;
  /** Ends in a row without having been ready in between; it sets the pause before the next start. */
  failures: number;
  timer: Timer | null;
  /** Its end, once that was asked for. */
  ending: Promise<number | null> | null;
  watchers: (() => void)[];
}

const restartPause = { firstMs: 100, maxMs: 10_000 };
/** Exit status of a wrong configuration (sysexits.h, EX_CONFIG): starting again cannot mend it. */
const configurationExit = 78;
const givenUpAfter = 5;

/** Keeps processes running: starts them again with growing pauses, and ends every one of them on demand. */
export class Supervisor {
  readonly #entries = new Map<string, Entry>();
  readonly #onChange: () => void;

  constructor(onChange: () => void = () => {}) {
    this.#onChange = onChange;
  }

  /**
   * Starts a process and waits until it is ready; one of its name that is being ended has ended by then.
   * Fails with the end of its log when it keeps ending, or is late.
   */
  async start(spec: ProcessSpec, timeoutMs = 60_000): Promise<void> {
    await this.#entries.get(spec.name)?.ending;
    if (this.#entries.has(spec.name)) throw new Error(`${spec.name} is running already.`);
    const entry: Entry = {
      spec,
      child: null,
      startedAt: null,
      status: "starting",
      restarts: 0,
      failures: 0,
      timer: null,
      ending: null,
      watchers: [],
    };
    this.#entries.set(spec.name, entry);
    try {
      this.#spawn(entry);
    } catch (error) {
      this.#entries.delete(spec.name);
      throw error;
    }
    const deadline = Date.now() + timeoutMs;
    while (entry.status !== "ready") {
      const isGivenUp = entry.status === "failed" || entry.failures >= givenUpAfter || Date.now() > deadline;
      if (isGivenUp) {
        await this.stop(spec.name);
        throw new Error(`${spec.name} did not become ready.\n${logTail(spec.logFile)}`);
      }
      if (entry.status === "stopped") throw new Error(`${spec.name} was stopped while it was starting.`);
      await nextChange(entry, 1_000);
    }
  }

  /**
   * Ends a process and forgets it once it has ended: what nobody lists while it lives would be found by
   * nobody after a crash of this one. Its exit status; null when none of that name was running.
   */
  stop(name: string, signal?: NodeJS.Signals): Promise<number | null> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return Promise.resolve(null);
    if (entry.ending === null) entry.ending = this.#end(entry, signal ?? entry.spec.stopSignal);
    else if (signal !== undefined) entry.child?.kill(signal);
    return entry.ending;
  }

  async #end(entry: Entry, signal: NodeJS.Signals): Promise<number | null> {
    const { name, stopTimeoutMs } = entry.spec;
    if (entry.timer !== null) clearTimeout(entry.timer);
    this.#change(entry, "stopped");
    const { child } = entry;
    child?.kill(signal);
    const late = setTimeout(() => child?.kill("SIGKILL"), stopTimeoutMs);
    const exitCode = (await child?.exited) ?? null;
    clearTimeout(late);
    if (this.#entries.get(name) === entry) this.#entries.delete(name);
    this.#onChange();
    return exitCode;
  }

  /** Sends a signal to a process; when it ends by that, it is started again like after any other end. */
  kill(name: string, signal: NodeJS.Signals): void {
    const child = this.#entries.get(name)?.child;
    if (child == null) throw new Error(`${name} is not running.`);
    child.kill(signal);
  }

  /** Kills everything at once without waiting, for when this process is about to end by itself. */
  killAll(): void {
    for (const entry of this.#entries.values()) {
      if (entry.timer !== null) clearTimeout(entry.timer);
      entry.status = "stopped";
      entry.child?.kill("SIGKILL");
    }
    this.#entries.clear();
  }

  /** Whether a process of that name runs and is not being ended. */
  has(name: string): boolean {
    return this.#entries.get(name)?.ending === null;
  }

  spec(name: string): ProcessSpec | undefined {
    return this.#entries.get(name)?.spec;
  }

  processes(): SupervisedProcess[] {
    return [...this.#entries.values()].map((entry) => ({
      name: entry.spec.name,
      status: entry.status,
      pid: entry.child?.pid ?? null,
      startedAt: entry.startedAt,
      restarts: entry.restarts,
    }));
  }

  #spawn(entry: Entry): void {
    const child = spawnChild(entry.spec);
    entry.child = child;
    entry.startedAt = identify(child.pid)?.startedAt ?? null;
    this.#change(entry, "starting");
    void this.#watchReadiness(entry, child);
    void child.exited.then((code) => this.#ended(entry, code));
  }

  async #watchReadiness(entry: Entry, child: Bun.Subprocess): Promise<void> {
    while (entry.child === child && entry.status === "starting") {
      const isReady = await entry.spec.isReady().catch(() => false);
      if (entry.child !== child || entry.status !== "starting") return;
      if (isReady) {
        entry.failures = 0;
        this.#change(entry, "ready");
        return;
      }
      await Bun.sleep(25);
    }
  }

  #ended(entry: Entry, code: number): void {
    entry.child = null;
    entry.startedAt = null;
    if (entry.status === "stopped") return;
    entry.failures += 1;
    if (code === configurationExit) {
      this.#change(entry, "failed");
      return;
    }
    entry.timer = setTimeout(() => this.#startAgain(entry), backoffMs(restartPause, entry.failures));
    this.#change(entry, "waiting");
  }

  /** Where that cannot be done yet, such as for a full disk, it counts as another end. */
  #startAgain(entry: Entry): void {
    entry.restarts += 1;
    try {
      this.#spawn(entry);
    } catch (error) {
      console.error(`payflow: ${entry.spec.name} could not be started again: ${error}`);
      this.#ended(entry, 1);
    }
  }

  #change(entry: Entry, status: ProcessStatus): void {
    entry.status = status;
    for (const wake of entry.watchers.splice(0)) wake();
    this.#onChange();
  }
}

function nextChange(entry: Entry, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    entry.watchers.push(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** The last lines a process wrote, for the error that says why it did not start. */
export function logTail(file: string, lines = 15): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return `(nothing in ${file})`;
  }
}
