import { settled } from "../../src/store/redis.ts";
import { merchantKey } from "../../src/streams/keys.ts";
import { type Space, StreamSpace } from "./streams-fixture.ts";

/** What a replica in a process of its own is to do. */
export interface ReplicaOrder {
  readonly space: Space;
  /** How long handling a batch takes. */
  readonly handleMs: number;
  readonly maxBatch: number;
  /** Events of this merchant fail. */
  readonly poisonMerchant?: string;
  /** Once a batch holds this merchant, its handling never ends. */
  readonly stallMerchant?: string;
}

/** One line of the replica's output. */
export type ReplicaLine =
  | { readonly kind: "ready" }
  | { readonly kind: "handled" | "failed"; readonly entries: readonly HandledEntry[] };

export interface HandledEntry {
  readonly id: string;
  readonly partition: number;
  readonly key: string;
  readonly sequence: number;
}

function print(line: ReplicaLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

if (import.meta.main) {
  const order: ReplicaOrder = JSON.parse(process.argv[2] ?? "");
  const space = new StreamSpace(order.space);
  await settled(space.redis);
  await space.record(
    async (batch) => {
      await Bun.sleep(order.handleMs);
      const entries = batch.map((entry) => ({
        id: entry.id,
        partition: entry.partition,
        key: merchantKey(entry.tenantId, entry.mode, entry.merchant),
        sequence: entry.sequence,
      }));
      const isPoisoned = batch.some((entry) => entry.merchant === order.poisonMerchant);
      print({ kind: isPoisoned ? "failed" : "handled", entries });
      if (isPoisoned) throw new Error("this event cannot be handled");
      if (batch.some((entry) => entry.merchant === order.stallMerchant)) await new Promise(() => {});
    },
    { maxBatch: order.maxBatch },
  );
  process.on("SIGTERM", () => void space.end().then(() => process.exit(0)));
  print({ kind: "ready" });
}
