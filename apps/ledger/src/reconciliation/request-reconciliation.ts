import { DomainError } from "@payflow/contracts/errors.ts";
import { isId, newId } from "@payflow/contracts/ids.ts";
import { type Cursors, type Page, toPage } from "@payflow/service-kit/store/paging.ts";
import {
  type ReconciliationRequest,
  type ReconciliationResponse,
  type ReconciliationsQuery,
  toFinding,
  toReconciliation,
  toReconciliationDetail,
} from "./reconciliation.contract.ts";
import type { ReconciliationStore } from "./reconciliation.store.ts";

export interface RequestReconciliation {
  readonly runs: ReconciliationStore;
  readonly cursors: Cursors;
  /** Called once a run waits to be carried out. */
  readonly onRequested: () => void;
}

/**
 * Asks for a run over what settled in a window. It is carried out in the background. Fails with
 * `invalid_request`.
 */
export async function requestReconciliation(
  { runs, onRequested }: RequestReconciliation,
  { from, to }: ReconciliationRequest,
): Promise<ReconciliationResponse> {
  const fromAt = timeOf(from, "/from");
  const toAt = timeOf(to, "/to");
  if (fromAt !== null && toAt !== null && fromAt >= toAt)
    throw refusal("/to", "Expected a time after `from`");
  const row = await runs.insert({
    reconciliationId: newId("rec"),
    kind: "on_demand",
    fromAt,
    toAt,
    requestedAt: await runs.now(),
  });
  onRequested();
  return toReconciliation(row);
}

/** The store has no year 0, and four digits are all that RFC 3339 has. */
function timeOf(text: string | undefined, pointer: string): Date | null {
  if (text === undefined) return null;
  const time = new Date(text);
  const year = time.getUTCFullYear();
  if (year < 1 || year > 9_999) throw refusal(pointer, "Expected a time in UTC between the years 1 and 9999");
  return time;
}

function refusal(pointer: string, message: string): DomainError {
  return new DomainError("invalid_request", undefined, { errors: [{ pointer, message }] });
}

/** All runs, newest first. Fails with `invalid_cursor`. */
export async function listReconciliations(
  { runs, cursors }: RequestReconciliation,
  query: ReconciliationsQuery,
): Promise<Page<ReconciliationResponse>> {
  const limit = query.limit ?? 20;
  const before = query.cursor === undefined ? undefined : cursors.decode("reconciliations", query.cursor);
  const rows = await runs.list(before, limit + 1);
  return toPage(rows, limit, toReconciliation, (last) =>
    cursors.encode("reconciliations", last.reconciliationId),
  );
}

/**
 * One run with a page of what it found, the newest finding first. Fails with `not_found` or `invalid_cursor`.
 */
export async function readReconciliation(
  { runs, cursors }: RequestReconciliation,
  id: string,
  query: ReconciliationsQuery,
) {
  const row = isId("rec", id) ? await runs.find(id) : undefined;
  if (row === undefined) throw new DomainError("not_found");
  const owner = `findings/${id}`;
  const limit = query.limit ?? 20;
  const before = query.cursor === undefined ? undefined : cursors.decode(owner, query.cursor);
  const [findings, counts] = await Promise.all([
    runs.findings(id, before, limit + 1),
    runs.countFindings(id),
  ]);
  const page = toPage(findings, limit, toFinding, (last) => cursors.encode(owner, String(last.findingId)));
  return toReconciliationDetail(row, counts, page);
}
