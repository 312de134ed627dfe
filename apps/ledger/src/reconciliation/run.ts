import { Cron } from "croner";

export const reconciliationKinds = ["continuous", "full", "on_demand"] as const;
export type ReconciliationKind = (typeof reconciliationKinds)[number];

export const reconciliationStatuses = ["queued", "running", "completed", "failed"] as const;
export type ReconciliationStatus = (typeof reconciliationStatuses)[number];

/** How far a run came: payment's next page (null after the last), and up to when the journal was walked. */
export interface ReconciliationPosition {
  readonly cursor: string | null;
  readonly journalUpTo: string;
}

/** Before any movement: where a run without a beginning starts to walk the journal. */
export const beginning = "0001-01-01T00:00:00.000Z";

export interface ReconciliationSchedule {
  readonly intervalSeconds: number;
  /** A cron pattern in UTC. */
  readonly nightly: string;
}

/** What is known of the runs so far. */
export interface LatestRuns {
  /** When the latest run of each kind was asked for; absent when there was none. */
  readonly continuousAt?: Date | undefined;
  readonly fullAt?: Date | undefined;
  /** When the very first run of any kind was asked for: the nightly schedule counts from there. */
  readonly firstAt?: Date | undefined;
  /** Kinds with a run that is still open. */
  readonly open: ReadonlySet<ReconciliationKind>;
}

/** The kinds whose time has come by the store's clock. A kind with an open run waits for its end. */
export function dueRuns(
  { intervalSeconds, nightly }: ReconciliationSchedule,
  latest: LatestRuns,
  now: Date,
): readonly ReconciliationKind[] {
  const due: ReconciliationKind[] = [];
  const nextContinuous = (latest.continuousAt?.getTime() ?? 0) + intervalSeconds * 1_000;
  if (!latest.open.has("continuous") && nextContinuous <= now.getTime()) due.push("continuous");
  const countedFrom = latest.fullAt ?? latest.firstAt;
  const nextFull =
    countedFrom === undefined ? null : new Cron(nightly, { timezone: "UTC" }).nextRun(countedFrom);
  if (!latest.open.has("full") && nextFull !== null && nextFull <= now) due.push("full");
  return due;
}
