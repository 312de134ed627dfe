import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { expiryLane, type OperationLanes, operationLane } from "../operations/operation-lanes.ts";
import { flagLane, type TakeFlags } from "../payments/fraud/take-flags.ts";
import { type RefundLane, refundLane } from "../refunds/refund-lane.ts";
import { createLanes, type Lanes } from "./lanes.ts";
import { type PaymentLane, paymentLane } from "./payment-lane.ts";
import { findOpenWork, type OpenWork } from "./recovery.store.ts";

export interface Recovery extends PaymentLane, OperationLanes, RefundLane, Omit<TakeFlags, "wakeRecovery"> {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Between two looks for due work. */
  readonly everyMs: number;
}

/**
 * Takes up whatever nobody ends: payments, operations and refunds of killed replicas or with a lost answer,
 * expired authorizations, and flags that waited. Every replica runs one; rows are shared out by leases with
 * fences.
 */
export function createRecovery(deps: Recovery): Lanes {
  const lanes: Lanes = createLanes(
    [
      paymentLane(deps),
      operationLane(deps),
      expiryLane(deps),
      refundLane(deps),
      flagLane({ ...deps, wakeRecovery: () => lanes.wake() }),
    ],
    deps.everyMs,
    deps.logger,
  );
  watchOpenWork(deps);
  return lanes;
}

/**
 * What an alert watches: inquiries go on for ever, so that somebody must look at what stays open for long.
 */
function watchOpenWork({ sql, metrics, logger }: Recovery): void {
  const watch = (name: string, help: string, value: (work: OpenWork) => number) =>
    metrics.gauge(name, help, ["kind"], async (gauge) => {
      try {
        for (const work of await findOpenWork(sql)) gauge.set({ kind: work.kind }, value(work));
      } catch (error) {
        logger.debug({ err: error }, "open work cannot be counted now");
      }
    });
  watch(
    "payflow_recovery_oldest_seconds",
    "Age of the oldest piece of work that an inquiry could not settle yet.",
    (work) => work.oldestSeconds,
  );
  watch(
    "payflow_recovery_open_count",
    "Pieces of work that an inquiry could not settle yet.",
    (work) => work.count,
  );
}
