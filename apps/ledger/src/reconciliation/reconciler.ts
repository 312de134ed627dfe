import { DomainError } from "@payflow/contracts/errors.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { backoffMs } from "@payflow/service-kit/concurrency/retry.ts";
import { type Rounds, startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import { isTransient, type Sql } from "@payflow/service-kit/store/database.ts";
import { acquireLease, newHolder, releaseLeases, renewLease } from "@payflow/service-kit/store/lease.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { ReconciliationRow } from "../schema.ts";
import { type Reconcile, reconcile } from "./reconcile.ts";
import { leaseName, ReconciliationLeaseLost } from "./reconciliation.store.ts";
import { dueRuns, type ReconciliationSchedule } from "./run.ts";

export interface StartReconciler {
  readonly sql: Sql;
  readonly reconcile: Reconcile;
  readonly schedule: ReconciliationSchedule;
  readonly logger: Logger;
  readonly tickMs: number;
}

const leaseSeconds = 15;
/** Between two looks while a dependency is away. */
const maxWaitMs = 30_000;

/**
 * Keeps reconciliation going in one of the replicas at a time: asks for the runs that are due, and carries
 * out open ones. Stopped, it leaves the run under way where it is, for the next holder of the lease.
 */
export function startReconciler(deps: StartReconciler): Rounds {
  const holder = newHolder("ledger");
  const failure = "reconciliation could not go on; it is tried again";
  let waits = 0;
  const rounds = startRounds({
    logger: deps.logger,
    failure,
    everyMs: deps.tickMs,
    round: async (signal) => {
      const isWaiting = await tick(deps, holder, signal).catch((error: unknown) => {
        deps.logger.warn({ err: error }, failure);
        return true;
      });
      waits = isWaiting ? waits + 1 : 0;
      return isWaiting ? backoffMs({ firstMs: deps.tickMs, maxMs: maxWaitMs }, waits) : undefined;
    },
  });
  return {
    wake: rounds.wake,
    stop: async () => {
      await rounds.stop();
      await releaseLeases(deps.sql, holder, [leaseName]).catch(() => undefined);
    },
  };
}

/** One look: does nothing unless this replica holds the lease. Tells whether a run waits for a dependency. */
export async function tick(deps: StartReconciler, holder: string, signal: AbortSignal): Promise<boolean> {
  const fence = await acquireLease(deps.sql, { name: leaseName, holder, leaseSeconds });
  if (fence === null) return false;
  const lost = new AbortController();
  const renewal = setInterval(
    () => {
      renewLease(deps.sql, { name: leaseName, holder, leaseSeconds, fence }).then(
        (isHeld) => isHeld || lost.abort(),
        // Not reached for now; whoever takes the lease over has a newer fence, which stops our writes.
        () => undefined,
      );
    },
    (leaseSeconds * 1_000) / 3,
  );
  const running = AbortSignal.any([signal, lost.signal]);
  try {
    await askForDueRuns(deps);
    for (const run of await deps.reconcile.runs.open()) {
      if (running.aborted) return false;
      if (!(await carryOut(deps, run, fence, running))) return true;
    }
    return false;
  } finally {
    clearInterval(renewal);
  }
}

async function askForDueRuns({ reconcile: { runs, now }, schedule }: StartReconciler): Promise<void> {
  const requestedAt = await now();
  for (const kind of dueRuns(schedule, await runs.latest(), requestedAt)) {
    const fromAt = kind === "continuous" ? await runs.watermark() : null;
    await runs.insert({ reconciliationId: newId("rec"), kind, fromAt, toAt: null, requestedAt });
    if (kind === "full") await runs.prune();
  }
}

/** Whether the run ended; false when it waits for a dependency that is away. */
async function carryOut(
  deps: StartReconciler,
  run: ReconciliationRow,
  fence: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { runs, now, metrics } = deps.reconcile;
  const about = { reconciliation_id: run.reconciliationId, kind: run.kind };
  try {
    await reconcile(deps.reconcile, run, fence, signal);
    const ended = await runs.find(run.reconciliationId);
    if (ended?.status === "completed" && ended.findings > 0) {
      deps.logger.error({ ...about, findings: ended.findings }, "reconciliation found differences");
    }
  } catch (error) {
    if (error instanceof ReconciliationLeaseLost) throw error;
    const text = error instanceof DomainError ? error.detail : String(error);
    if (isTransient(error)) {
      // At every start the payment app may be later than this one: then a sentence does, without a stack.
      const why = error instanceof DomainError ? { reason: text } : { err: error };
      deps.logger.warn({ ...about, ...why }, "reconciliation waits for a dependency");
      await runs.note(run.reconciliationId, text);
      return false;
    }
    deps.logger.error({ ...about, err: error }, "reconciliation failed");
    await runs.finish(run.reconciliationId, { status: "failed", error: text, now: await now() }, fence);
    metrics.runs.inc({ kind: run.kind, status: "failed" });
  }
  return true;
}
