import path from "node:path";
import { ChildReplicas } from "../child-replicas.ts";
import type { HandledEvent, ReplicaLine, ReplicaOrder } from "./replica-process.ts";

export interface Arrival extends HandledEvent {
  readonly replica: number;
}

/** Replicas of one group in processes of their own; what they handled, in the order in which they said so. */
export class Replicas extends ChildReplicas<ReplicaOrder, ReplicaLine> {
  readonly handled: Arrival[] = [];
  readonly failed: Arrival[] = [];

  constructor(order: ReplicaOrder) {
    super({
      program: path.join(import.meta.dir, "replica-process.ts"),
      order,
      onLine: (replica, { kind, events }) => {
        this[kind].push(...events.map((event) => ({ ...event, replica })));
      },
    });
  }

  handledBy(replica: number): readonly Arrival[] {
    return this.handled.filter((arrival) => arrival.replica === replica);
  }
}
