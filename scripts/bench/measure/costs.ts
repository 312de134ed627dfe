import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import { memoryByProcess } from "@payflow/one-machine/processes/memory.ts";
import { processorSecondsByProcess } from "@payflow/one-machine/processes/processor-time.ts";
import { type BenchFigure, figure } from "../result.ts";

type Named = readonly { readonly name: string; readonly pid: number }[];

/** What the processes of an installation, and others of a benchmark, take for what they do. */
export class Costs {
  readonly #processes: () => Named;
  readonly #seconds = new Map<string, number>();
  #operations = 0;

  /** `others` are the benchmark's own processes by name; the rest of them are the load. */
  constructor(installation: RunningInstallation, others: () => Named = () => []) {
    this.#processes = () => [
      { name: "load", pid: process.pid },
      ...installation.installation
        .processes()
        .flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }])),
      ...others(),
    ];
  }

  /** Counts what is taken while `run` runs, for as many operations as `operationsOf` says it did. */
  async during<T>(run: () => Promise<T>, operationsOf: (result: T) => number): Promise<T> {
    const processes = this.#processes();
    const pids = processes.map((one) => one.pid);
    const before = processorSecondsByProcess(pids);
    const result = await run();
    const after = processorSecondsByProcess(pids);
    for (const { name, pid } of processes) {
      const taken = Math.max(0, (after.get(pid) ?? 0) - (before.get(pid) ?? 0));
      this.#seconds.set(name, (this.#seconds.get(name) ?? 0) + taken);
    }
    this.#operations += operationsOf(result);
    return result;
  }

  /** Seconds of a processor for 1,000 operations, by process and in all; none where they cannot be told. */
  processor(): BenchFigure[] {
    const unit = "CPU s/1,000";
    if (this.#operations === 0) return [];
    const per = (seconds: number) => (seconds / this.#operations) * 1_000;
    const all = [...this.#seconds].filter(([, seconds]) => seconds > 0);
    if (all.length === 0) return [];
    const total = all.reduce((sum, [, seconds]) => sum + seconds, 0);
    return [
      ...all.map(([name, seconds]) => ({
        ...figure(`cpu_${name.replace(/-\d+$/, "")}`, 0, unit),
        value: fine(per(seconds)),
      })),
      { ...figure("cpu_total", 0, unit), value: fine(per(total)) },
    ];
  }

  /** The memory of each process now, and in all. */
  memory(): BenchFigure[] {
    const processes = this.#processes().filter(({ name }) => name !== "load");
    const memory = memoryByProcess(processes.map((one) => one.pid));
    const figures = processes.map(({ name, pid }) =>
      figure(`memory_${name}`, (memory.get(pid) ?? 0) / 2 ** 20, "MiB"),
    );
    const total = figures.reduce((sum, one) => sum + one.value, 0);
    return [...figures, figure("memory_total", total, "MiB")];
  }
}

/** Four places behind the point: an operation may cost microseconds. */
function fine(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
