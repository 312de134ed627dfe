import { Currency, nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { type Page, pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import { type FindingKind, findingKinds } from "../comparison/compare.ts";
import { accounts } from "../journal/transfer.ts";
import type { FindingRow, ReconciliationRow } from "../schema.ts";
import { reconciliationKinds, reconciliationStatuses } from "./run.ts";

export const ReconciliationRequest = Type.Object(
  {
    from: Type.Optional(Timestamp),
    to: Type.Optional(Timestamp),
  },
  {
    additionalProperties: false,
    description: "What settled in this window; everything up to now when left out.",
  },
);
export type ReconciliationRequest = Static<typeof ReconciliationRequest>;

export const ReconciliationsQuery = Type.Object(pageQuery, { additionalProperties: false });
export type ReconciliationsQuery = Static<typeof ReconciliationsQuery>;
export const ReconciliationParams = Type.Object({ id: Type.String() }, { additionalProperties: false });

export const ReconciliationResponse = Type.Object({
  reconciliation_id: Type.String(),
  kind: oneOf(reconciliationKinds),
  status: oneOf(reconciliationStatuses),
  from: nullable(Timestamp),
  to: nullable(Timestamp),
  settlements_compared: Type.Integer({ description: "Payments and refunds of payment's." }),
  transfers_compared: Type.Integer({ description: "Movements of the journal." }),
  accounts_compared: Type.Integer({ description: "Accounts added up from their rows." }),
  findings_count: Type.Integer(),
  error: nullable(Type.String({ description: "Why it failed, or what it waits for." })),
  requested_at: Timestamp,
  started_at: nullable(Timestamp),
  finished_at: nullable(Timestamp),
});
export type ReconciliationResponse = Static<typeof ReconciliationResponse>;

export const ReconciliationsResponse = Type.Object({
  data: Type.Array(ReconciliationResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

const Finding = Type.Object({
  kind: oneOf(findingKinds),
  tenant_id: Type.String(),
  mode: oneOf(["live", "test"]),
  currency: Currency,
  payment_id: nullable(Type.String()),
  refund_id: nullable(Type.String()),
  journal_id: nullable(Type.String()),
  account: nullable(oneOf(accounts)),
  expected: nullable(Type.String({ description: "What payment says, or what the rows add up to." })),
  found: nullable(Type.String({ description: "What the journal or the account holds." })),
  detail: Type.String(),
  created_at: Timestamp,
});

export const ReconciliationDetailResponse = Type.Composite([
  ReconciliationResponse,
  Type.Object({
    findings_by_kind: Type.Record(oneOf(findingKinds), Type.Integer()),
    findings: Type.Object({
      data: Type.Array(Finding),
      next_cursor: nullable(Type.String()),
      has_more: Type.Boolean(),
    }),
  }),
]);

/** A run as the API shows it. */
export function toReconciliation(row: ReconciliationRow): ReconciliationResponse {
  return {
    reconciliation_id: row.reconciliationId,
    kind: row.kind,
    status: row.status,
    from: row.fromAt?.toISOString() ?? null,
    to: row.toAt?.toISOString() ?? null,
    settlements_compared: row.settlements,
    transfers_compared: row.transfers,
    accounts_compared: row.accounts,
    findings_count: row.findings,
    error: row.error,
    requested_at: row.requestedAt.toISOString(),
    started_at: row.startedAt?.toISOString() ?? null,
    finished_at: row.finishedAt?.toISOString() ?? null,
  };
}

/** A finding as the API shows it, amounts in minor units. */
export function toFinding(row: FindingRow): Static<typeof Finding> {
  return {
    kind: row.kind,
    tenant_id: row.tenantId,
    mode: row.mode,
    currency: row.currency,
    payment_id: row.paymentId,
    refund_id: row.refundId,
    journal_id: row.journalId,
    account: row.account,
    expected: row.expected,
    found: row.found,
    detail: row.detail,
    created_at: row.createdAt.toISOString(),
  };
}

/** A run with one page of its findings. */
export function toReconciliationDetail(
  row: ReconciliationRow,
  counts: ReadonlyMap<FindingKind, number>,
  findings: Page<Static<typeof Finding>>,
) {
  const byKind = Object.fromEntries(findingKinds.map((kind) => [kind, counts.get(kind) ?? 0]));
  return { ...toReconciliation(row), findings_by_kind: byKind, findings };
}
