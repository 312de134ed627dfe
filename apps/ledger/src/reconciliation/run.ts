export const reconciliationKinds = ["continuous", "full", "on_demand"] as const;
export type ReconciliationKind = (typeof reconciliationKinds)[number];

export const reconciliationStatuses = ["queued", "running", "completed", "failed"] as const;
export type ReconciliationStatus = (typeof reconciliationStatuses)[number];

/** How far a run came: payment's next page, and the time up to which the journal was walked. */
export interface ReconciliationPosition {
  readonly cursor: string | null;
  readonly journalUpTo: string;
}
