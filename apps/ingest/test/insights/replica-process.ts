import path from "node:path";
import { ChildReplicas } from "@payflow/testkit/child-replicas.ts";
import { InsightSpace, type SpaceAddress, type settings } from "./insight-space.ts";

/** What a replica in a process of its own is to do; handed over as JSON in its first argument. */
export interface ReplicaOrder {
  readonly address: SpaceAddress;
  readonly changes?: Partial<typeof settings>;
}

/** Replicas that count, in processes of their own. */
export function childReplicas(order: ReplicaOrder) {
  const program = path.join(import.meta.dir, "replica-process.ts");
  return new ChildReplicas<ReplicaOrder, { readonly kind: "ready" }>({ program, order, onLine: () => {} });
}

if (import.meta.main) {
  const order: ReplicaOrder = JSON.parse(process.argv[2] ?? "");
  const space = await InsightSpace.at(order.address);
  await space.start(order.changes);
  process.on("SIGTERM", () => void space.close().then(() => process.exit(0)));
  process.stdout.write(`${JSON.stringify({ kind: "ready" })}\n`);
}
