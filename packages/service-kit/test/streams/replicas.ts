import path from "node:path";
import { ChildReplicas } from "@payflow/testkit/child-replicas.ts";
import type { HandledEntry, ReplicaLine, ReplicaOrder } from "./replica-process.ts";
import type { StreamSpace } from "./streams-fixture.ts";

interface Arrival extends HandledEntry {
  readonly replica: number;
}

/** Replicas of a group; what they handled, in the order in which they said so. */
export class Replicas extends ChildReplicas<ReplicaOrder, ReplicaLine> {
  readonly handled: Arrival[] = [];
  readonly failed: Arrival[] = [];

  constructor(space: StreamSpace, order: Partial<ReplicaOrder> = {}) {
    super({
      program: path.join(import.meta.dir, "replica-process.ts"),
      order: { space: space.space, handleMs: 0, maxBatch: 50, ...order },
      onLine: (replica, { kind, entries }) => {
        this[kind].push(...entries.map((entry) => ({ ...entry, replica })));
      },
    });
    space.defer(() => this.killAll());
  }

  handledBy(replica: number): readonly Arrival[] {
    return this.handled.filter((arrival) => arrival.replica === replica);
  }

  /** How many entries were handled, counting each once. */
  get distinct(): number {
    return new Set(this.handled.map((entry) => `${entry.key}/${entry.sequence}`)).size;
  }
}
