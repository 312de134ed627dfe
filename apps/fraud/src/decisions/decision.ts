import type { EventEnvelope } from "@payflow/contracts/events.ts";
import type { decision } from "../schema.ts";

export type Decision = typeof decision.$inferSelect;
/** A decision before it is stored: the database says when it was made. */
export type NewDecision = Omit<Decision, "decidedAt" | "lookedAt">;

/** The decisions there are. They are made once and never changed. */
export interface Decisions {
  /** The decisions there are among these payments. */
  find(paymentIds: readonly string[]): Promise<readonly Decision[]>;
  /**
   * Stores decisions, with the events of each that is new in the same transaction; the ids of those that are.
   * The others had been decided before.
   */
  insert(rows: readonly NewDecision[], events: readonly EventEnvelope[]): Promise<ReadonlySet<string>>;
  /**
   * Deletes up to `limit` decisions made more than so many days ago, the oldest first; how many there were.
   */
  deleteOld(keptDays: number, limit: number): Promise<number>;
}
