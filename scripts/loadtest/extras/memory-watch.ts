import { memoryByProcess } from "@payflow/one-machine/processes/memory.ts";
import type { Target } from "../target.ts";
import type { Extra } from "./extra.ts";

const mebibyte = 2 ** 20;
const everyMs = 5_000;
/** In a shorter run processes are still warming up. */
const shortestSeconds = 300;

interface Sample {
  readonly at: number;
  readonly bytes: ReadonlyMap<string, number>;
}

/** Watches how much memory each app's process takes: it may not go on growing. */
export const memoryWatch: Extra = async (target, { seconds }) => {
  const samples: Sample[] = [];
  const startedAt = performance.now();
  const look = () => {
    samples.push({ at: (performance.now() - startedAt) / 1_000 / seconds, bytes: memoryOf(target) });
  };
  look();
  const timer = setInterval(look, everyMs);
  return {
    environment: {},
    async finish() {
      clearInterval(timer);
      look();
      const grown = growthOf(samples);
      const most = grown.toSorted((one, other) => other.ratio - one.ratio)[0];
      const truth = {
        name: "no app takes half as much memory again in the last quarter as in the second",
        isTrue: grown.every(({ ratio, bytes }) => ratio < 1.5 || bytes < 32 * mebibyte),
        found: most === undefined ? "nothing ran" : `${most.name} ${most.ratio.toFixed(2)} times`,
      };
      const last = [...(samples.at(-1)?.bytes ?? [])];
      return {
        truths: seconds < shortestSeconds ? [] : [truth],
        figures: last.map(([name, bytes]) => ({ name: `memory of ${name}, MiB`, value: bytes / mebibyte })),
      };
    },
    async stop() {
      clearInterval(timer);
    },
  };
};

function memoryOf(target: Target): Map<string, number> {
  const running = target.processes().flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }]));
  const apps = running.filter(({ name }) => !/^(postgres|redis-|kafka)/.test(name));
  const memory = memoryByProcess(apps.map(({ pid }) => pid));
  return new Map(apps.map(({ name, pid }) => [name, memory.get(pid) ?? 0]));
}

/** By which factor, and by how many bytes, each process grew from the run's second quarter to its last. */
function growthOf(samples: readonly Sample[]) {
  const within = (from: number, to: number) => samples.filter(({ at }) => at >= from && at < to);
  return [...(samples.at(-1)?.bytes.keys() ?? [])].map((name) => {
    const mean = (some: readonly Sample[]) =>
      some.reduce((sum, { bytes }) => sum + (bytes.get(name) ?? 0), 0) / Math.max(1, some.length);
    const early = mean(within(0.25, 0.5));
    const late = mean(within(0.75, 1));
    return { name, ratio: early === 0 ? 1 : late / early, bytes: late - early };
  });
}
