import { test } from "bun:test";
import type { EventEnvelope, Topic } from "@payflow/contracts/events.ts";
import type { EventBus, RunningSubscription, Subscription } from "@payflow/service-kit/bus/bus.ts";
import { eventually } from "../eventually.ts";
import { type BusHarness, loadAdapter } from "./harness.ts";
import { Replicas } from "./replica.ts";
import type { ReplicaOrder } from "./replica-process.ts";

/** An empty bus of one test's own. Whatever is opened through it ends with the test. */
class BusSpace {
  readonly #endings: (() => Promise<unknown>)[] = [];

  constructor(
    readonly harness: BusHarness,
    readonly settings: string,
  ) {}

  /** A bus that takes events, unless its broker is away: a busy machine may need longer than an app waits. */
  async open(isBrokerThere = true): Promise<EventBus> {
    const openBus = await loadAdapter(this.harness.adapter);
    const bus = await openBus(this.settings, "bus-suite");
    this.#endings.push(() => bus.close());
    if (isBrokerThere) await eventually(() => bus.send([]).then(() => true), { timeoutMs: 60_000 });
    return bus;
  }

  /** Replicas of a group, each in a process of its own. */
  replicas(order: Pick<ReplicaOrder, "group" | "topics"> & Partial<ReplicaOrder>): Replicas {
    const { adapter } = this.harness;
    const replicas = new Replicas({
      adapter,
      settings: this.settings,
      maxBatch: 50,
      handleMs: 0,
      ...order,
    });
    this.#endings.push(() => replicas.killAll());
    return replicas;
  }

  async end(): Promise<void> {
    for (const end of this.#endings.reverse()) await end();
  }
}

export type BusTest = (promise: string, run: (space: BusSpace) => Promise<void>, timeoutMs?: number) => void;

/** `test` with a space of its own for each promise. */
export function busTest(harness: () => BusHarness): BusTest {
  return (promise, run, timeoutMs = 120_000) => {
    test(
      promise,
      async () => {
        const space = new BusSpace(harness(), await harness().newSpace());
        try {
          await run(space);
        } finally {
          await space.end();
        }
      },
      timeoutMs,
    );
  };
}

export interface Recorded {
  readonly events: EventEnvelope[];
  readonly batches: { readonly topic: Topic; readonly events: readonly EventEnvelope[] }[];
  readonly subscription: RunningSubscription;
}

/** Subscribes and records what a handler took without an error. */
export async function record(
  bus: EventBus,
  group: string,
  topics: readonly Topic[],
  handle: Subscription["handle"] = async () => {},
): Promise<Recorded> {
  const events: EventEnvelope[] = [];
  const batches: { topic: Topic; events: readonly EventEnvelope[] }[] = [];
  const subscription = await bus.subscribe({
    group,
    topics,
    maxBatch: 100,
    async handle(topic, batch) {
      await handle(topic, batch);
      batches.push({ topic, events: batch });
      events.push(...batch);
    },
  });
  return { events, batches, subscription };
}
