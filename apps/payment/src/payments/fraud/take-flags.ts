import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { type Sql, transact } from "@payflow/service-kit/store/database.ts";
import type { Lane } from "../../recovery/lanes.ts";
import { applyWaitingFlags } from "./apply-flags.ts";
import { insertFlags, takeOverdue } from "./flags.store.ts";

/** When an overdue flag is taken up again after whoever took it up died in turn. */
const retryMs = 5_000;

export interface TakeFlags {
  readonly sql: Sql;
  /** Tells the recovery that a void or refund was opened. */
  readonly wakeRecovery: () => void;
  /** Called after a commit that may have left events in the outbox. */
  readonly onEvents: () => void;
}

/**
 * Takes note of late flags and applies those that need not wait, a batch in one transaction. An event seen
 * before has no second effect; one that came in time has been obeyed already by the payment itself.
 */
export async function takeFlags(
  deps: TakeFlags,
  events: readonly EventEnvelope<"fraud.flagged">[],
): Promise<void> {
  const late = events.filter((event) => event.data.late);
  if (late.length === 0) return;
  await transact(deps.sql, async (transaction) => {
    const { paymentIds, strangers } = await insertFlags(transaction, late);
    if (strangers > 0) throw new Error(`${strangers} flags name no payment of their tenant and mode`);
    for (const paymentId of paymentIds) await applyWaitingFlags(transaction, paymentId);
  });
  deps.wakeRecovery();
  deps.onEvents();
}

/** Flags whose payment has ended what they waited for, when whoever ended it did not live to apply them. */
export function flagLane(deps: TakeFlags & { readonly capacity: number }): Lane<string> {
  return {
    name: "flags",
    capacity: deps.capacity,
    take: (limit) => takeOverdue(deps.sql, limit, retryMs),
    handle: (paymentId) => applyFlagsOf(deps, paymentId),
  };
}

/** Applies the flags that wait for one payment, in a transaction of its own. */
export async function applyFlagsOf(deps: TakeFlags, paymentId: string): Promise<void> {
  const effect = await transact(deps.sql, (transaction) => applyWaitingFlags(transaction, paymentId));
  if (effect === "void" || effect === "refund") deps.wakeRecovery();
  if (effect === "refund") deps.onEvents();
}
