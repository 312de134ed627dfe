import type { Transaction } from "../transaction.ts";
import type { ChangeLog } from "./change-log.store.ts";

export interface RecordChange {
  readonly changeLog: Pick<ChangeLog, "add">;
}

/**
 * Numbers the change of a key or tenant within its own transaction, for all who cached it to hear of. The
 * number is the changed row's new version. To be called while that row is locked, and as the last lock taken.
 */
export function recordChange(deps: RecordChange, transaction: Transaction, subject: string): Promise<number> {
  return deps.changeLog.add(transaction, subject);
}
