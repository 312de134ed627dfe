import type { Topic } from "@payflow/contracts/events.ts";
import { loadAdapter } from "./harness.ts";

/** What a replica in a process of its own is to do; handed over as JSON in its first argument. */
export interface ReplicaOrder {
  readonly adapter: string;
  readonly settings: string;
  readonly group: string;
  readonly topics: readonly Topic[];
  readonly maxBatch: number;
  /** How long handling a batch takes. */
  readonly handleMs: number;
  /** Events of this key fail. */
  readonly poisonKey?: string;
  /** Once a batch holds this key, its handling never ends. */
  readonly stallKey?: string;
}

/** One line of the replica's output. */
export type ReplicaLine =
  | { readonly kind: "ready" }
  | { readonly kind: "handled" | "failed"; readonly topic: Topic; readonly events: readonly HandledEvent[] };

export interface HandledEvent {
  readonly event_id: string;
  readonly key: string;
  readonly sequence: number;
}

function print(line: ReplicaLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

if (import.meta.main) {
  const order: ReplicaOrder = JSON.parse(process.argv[2] ?? "");
  const openBus = await loadAdapter(order.adapter);
  const bus = await openBus(order.settings, `replica-${process.pid}`);
  const subscription = await bus.subscribe({
    group: order.group,
    topics: order.topics,
    maxBatch: order.maxBatch,
    async handle(topic, batch) {
      await Bun.sleep(order.handleMs);
      const events = batch.map(({ event_id, key, sequence }) => ({ event_id, key, sequence: sequence ?? 0 }));
      const isPoisoned = events.some((event) => event.key === order.poisonKey);
      print({ kind: isPoisoned ? "failed" : "handled", topic, events });
      if (isPoisoned) throw new Error("this event cannot be handled");
      if (events.some((event) => event.key === order.stallKey)) await new Promise(() => {});
    },
  });
  process.on("SIGTERM", async () => {
    await subscription.stop();
    await bus.close();
    process.exit(0);
  });
  print({ kind: "ready" });
}
