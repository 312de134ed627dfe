import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { type Finding, findingKinds, settlementSubject } from "../comparison/compare.ts";
import { compareAccounts } from "../comparison/compare-accounts.ts";
import { type Comparison, comparePage, type Window } from "../comparison/compare-page.ts";
import type { ReconciliationRow } from "../schema.ts";
import type { ReconciliationStore } from "./reconciliation.store.ts";
import { beginning } from "./run.ts";

export interface Reconcile {
  readonly comparison: Comparison;
  readonly runs: ReconciliationStore;
  readonly metrics: ReconciliationMetrics;
  /** The store's clock. */
  readonly now: () => Promise<Date>;
  /** What settled less than this ago may still be on its way. */
  readonly graceSeconds: number;
}

export type ReconciliationMetrics = ReturnType<typeof reconciliationMetrics>;

/** The metrics of reconciliation. */
export function reconciliationMetrics(metrics: Metrics) {
  const findings = metrics.counter(
    "payflow_ledger_reconciliation_findings_total",
    "Differences between payment and the journal, or between accounts and their rows.",
    ["kind"],
  );
  for (const kind of findingKinds) Metrics.beginAtZero(findings, { kind });
  return {
    findings,
    runs: metrics.counter("payflow_ledger_reconciliation_runs_total", "Runs that ended.", ["kind", "status"]),
    seconds: metrics.histogram(
      "payflow_ledger_reconciliation_seconds",
      "Time of a run.",
      ["kind"],
      [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600],
    ),
    completedAt: metrics.gauge(
      "payflow_ledger_reconciliation_completed_timestamp_seconds",
      "When this process last completed a run of the kind.",
      ["kind"],
    ),
  };
}

/**
 * Carries a run to its end, page by page; each page's findings are stored together with where to go on, so
 * that a killed run is resumed. It only names differences and never repairs. Throws `unavailable` while
 * payment or the bus is away, and `ReconciliationLeaseLost` once another replica has taken over.
 */
export async function reconcile(
  deps: Reconcile,
  run: ReconciliationRow,
  fence: number,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now();
  const begun = run.position === null ? await begin(deps, run, fence) : run;
  const from = begun.fromAt ?? new Date(beginning);
  const to = begun.toAt ?? from;
  if (from < to) {
    await comparePages(deps, begun, { from, to }, fence, signal);
    if (signal.aborted) return;
  }
  const isFull = begun.kind === "full" || (begun.kind === "on_demand" && begun.fromAt === null);
  const drift = await compareAccounts(deps.comparison, isFull ? undefined : { from, to });
  await deps.runs.save(
    begun.reconciliationId,
    { settlements: 0, transfers: 0, accounts: drift.accounts, findings: drift.findings, position: null },
    fence,
  );
  count(deps, drift.findings);
  const now = await deps.now();
  await deps.runs.finish(begun.reconciliationId, { status: "completed", error: null, now }, fence);
  deps.metrics.runs.inc({ kind: run.kind, status: "completed" });
  deps.metrics.seconds.observe({ kind: run.kind }, (performance.now() - startedAt) / 1_000);
  deps.metrics.completedAt.set({ kind: run.kind }, now.getTime() / 1_000);
}

/** Fixes the window's end: nothing that settled after it, or that waits in payment's outbox, is looked at. */
async function begin(deps: Reconcile, run: ReconciliationRow, fence: number): Promise<ReconciliationRow> {
  const now = await deps.now();
  const { published_until } = await deps.comparison.settlements.page({ from: now, to: now }, null, 1);
  const settled = Math.min(now.getTime(), Date.parse(published_until)) - deps.graceSeconds * 1_000;
  const asked = run.toAt?.getTime() ?? Number.POSITIVE_INFINITY;
  return deps.runs.begin(run.reconciliationId, new Date(Math.min(settled, asked)), now, fence);
}

async function comparePages(
  deps: Reconcile,
  run: ReconciliationRow,
  window: Window,
  fence: number,
  signal: AbortSignal,
): Promise<void> {
  let position = run.position ?? { cursor: null, journalUpTo: window.from.toISOString() };
  let compared: ReadonlySet<string> = new Set();
  for (let isLast = run.position?.cursor === null; !isLast && !signal.aborted; ) {
    const asked = { from: run.fromAt ?? undefined, to: window.to };
    const page = await deps.comparison.settlements.page(asked, position.cursor);
    isLast = !page.has_more || page.next_cursor === null;
    const walked = new Date(position.journalUpTo);
    const slice = { from: walked, to: isLast ? window.to : laterOf(walked, page.data.at(-1)?.settled_at) };
    const { transfers, findings } = await comparePage(deps.comparison, page.data, slice, compared, signal);
    compared = new Set(page.data.map(settlementSubject));
    position = { cursor: page.next_cursor, journalUpTo: slice.to.toISOString() };
    const result = { settlements: page.data.length, transfers, accounts: 0, findings, position };
    await deps.runs.save(run.reconciliationId, result, fence);
    count(deps, findings);
  }
}

function laterOf(walked: Date, settledAt: string | null | undefined): Date {
  return settledAt == null ? walked : new Date(Math.max(walked.getTime(), Date.parse(settledAt)));
}

function count({ metrics }: Reconcile, findings: readonly Finding[]): void {
  for (const { kind } of findings) metrics.findings.inc({ kind });
}
