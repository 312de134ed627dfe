import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { sharedTestKafka } from "@payflow/testkit/kafka.ts";
import { testCluster } from "@payflow/testkit/kubernetes.ts";
import { runVariable } from "./leftovers.ts";
import { type Need, needs } from "./needs.ts";
import { type Built, isBuilt, preparations } from "./prepare.ts";

export interface WantedPreparations {
  readonly needs: ReadonlySet<Need>;
  /** Whose processes these are, by the run's mark. */
  readonly run: string;
  /** The run's own, for what no cache keeps. */
  readonly folder: string;
}

type Variables = Readonly<Record<string, string>>;

/**
 * What jobs need and takes long to get, begun at once and beside the jobs that do without. Programs are built
 * one after the other and as gently as can be: the first time each takes minutes of a processor. Where
 * something fails, the tests that need it try again themselves, and say why.
 */
export class Prepared {
  readonly #wanted: WantedPreparations;
  readonly #waiting = new Set<Built>();
  readonly #made = new Map<Need, Promise<Variables>>();
  /** Fulfilled when nothing is being built any more. */
  readonly done: Promise<unknown>;

  constructor(wanted: WantedPreparations) {
    this.#wanted = wanted;
    const built = needs.filter(isBuilt).filter((need) => wanted.needs.has(need));
    for (const need of built) if (!preparations[need].isDone()) this.#waiting.add(need);
    let last: Promise<unknown> = Promise.resolve();
    for (const need of this.#waiting) {
      const made = last.then(() => this.#make(need));
      this.#made.set(need, made);
      last = made;
    }
    this.done = last;
    if (wanted.needs.has("kafka")) this.#made.set("kafka", startKafka());
  }

  /** Whether a job that needs these would wait for something to be built. */
  isWaitedFor(wanted: readonly Need[]): boolean {
    return wanted.filter(isBuilt).some((need) => this.#waiting.has(need));
  }

  /** What a job that needs these is told, once all of them are there. */
  async variables(wanted: readonly Need[]): Promise<Variables> {
    const made = await Promise.all(wanted.map((need) => this.#made.get(need)));
    // A server that nobody uses would only take memory: the first that needs it starts it.
    if (wanted.includes("kubernetes")) made.push(await startKubernetes());
    return Object.assign({}, ...made);
  }

  async #make(need: Built): Promise<Variables> {
    const { folder, run } = this.#wanted;
    const file = path.join(folder, need);
    const gently = Bun.which("nice") === null ? [] : ["nice", "-n", "19"];
    const program = path.join(import.meta.dir, "prepare.ts");
    const child = Bun.spawn([...gently, process.execPath, program, need, file], {
      cwd: repositoryRoot,
      env: { ...process.env, [runVariable]: run, TMPDIR: folder },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    });
    await child.exited;
    this.#waiting.delete(need);
    return need === "release" ? { PAYFLOW_TEST_RELEASE: file } : {};
  }
}

/** Starting while the others run already. */
async function startKafka(): Promise<Variables> {
  try {
    return { PAYFLOW_TEST_KAFKA_BROKERS: await sharedTestKafka() };
  } catch {
    return {};
  }
}

async function startKubernetes(): Promise<Variables> {
  try {
    return { PAYFLOW_TEST_KUBECONFIG: (await testCluster()).kubeconfig };
  } catch {
    return {};
  }
}
