import type { Settlement } from "@payflow/contracts/internal-payment.ts";
import type { AccountRow, TransferRow } from "../schema.ts";

export const findingKinds = [
  "missing_in_ledger",
  "missing_in_payment",
  "amount_mismatch",
  "status_mismatch",
  "balance_drift",
] as const;
export type FindingKind = (typeof findingKinds)[number];

/** A difference between payment's books and the journal, or between an account and its rows. */
export interface Finding {
  readonly kind: FindingKind;
  readonly subject: string;
  readonly tenantId: string;
  readonly mode: "live" | "test";
  readonly currency: string;
  readonly paymentId: string | null;
  readonly refundId: string | null;
  readonly journalId: string | null;
  readonly account: AccountRow["account"] | null;
  /** What payment says, or what the rows add up to. */
  readonly expected: string | null;
  /** What the journal or the account holds. */
  readonly found: string | null;
  readonly detail: string;
}

type Compared = Pick<
  TransferRow,
  "journalId" | "type" | "tenantId" | "mode" | "currency" | "amount" | "paymentId" | "refundId"
>;

/** Names what a settlement is about; a transfer about the same has the same name. */
export function settlementSubject(settlement: Pick<Settlement, "kind" | "id">): string {
  return `${settlement.kind}:${settlement.id}`;
}

/** What a finding about a transfer is about: its refund, or else its payment. */
export function transferSubject(transfer: Pick<TransferRow, "type" | "paymentId" | "refundId">): string {
  return `${transfer.type}:${transfer.refundId ?? transfer.paymentId}`;
}

/**
 * Holds one settlement against the transfer of the same subject; either may be absent. At most two findings.
 */
export function compare(
  settlement: Settlement | undefined,
  transfer: Compared | undefined,
): readonly Finding[] {
  if (settlement === undefined) return transfer === undefined ? [] : [missingInPayment(transfer)];
  const isMoney = settlement.status === "succeeded" && settlement.amount > 0;
  if (transfer === undefined) return isMoney ? [missingInLedger(settlement)] : [];
  const isSameOwner =
    settlement.tenant_id === transfer.tenantId &&
    settlement.mode === transfer.mode &&
    settlement.payment_id === transfer.paymentId;
  if (!isSameOwner) return [...(isMoney ? [missingInLedger(settlement)] : []), missingInPayment(transfer)];
  if (!isMoney)
    return [
      {
        ...ofTransfer("status_mismatch", transfer),
        expected: settlement.status,
        found: "booked",
        detail: `The journal booked a ${transfer.type} that payment holds as ${settlement.status}.`,
      },
    ];
  if (settlement.amount !== transfer.amount || settlement.currency !== transfer.currency)
    return [
      {
        ...ofTransfer("amount_mismatch", transfer),
        expected: money(settlement),
        found: money(transfer),
        detail: `The journal booked ${money(transfer)} where payment holds ${money(settlement)}.`,
      },
    ];
  return [];
}

/** An account whose stored sums are not those of its rows; undefined when they agree. */
export function compareAccount(
  stored: Pick<AccountRow, "tenantId" | "mode" | "currency" | "account"> & Sums,
  recomputed: Sums,
): Finding | undefined {
  if (stored.debits === recomputed.debits && stored.credits === recomputed.credits) return undefined;
  const { tenantId, mode, currency, account } = stored;
  return {
    kind: "balance_drift",
    subject: `account:${tenantId}/${mode}/${currency}/${account}`,
    tenantId,
    mode,
    currency,
    paymentId: null,
    refundId: null,
    journalId: null,
    account,
    expected: sums(recomputed),
    found: sums(stored),
    detail: `The rows of ${account} add up to ${sums(recomputed)}, the account holds ${sums(stored)}.`,
  };
}

interface Sums {
  readonly debits: bigint;
  readonly credits: bigint;
}

const sums = ({ debits, credits }: Sums) => `debits ${debits}, credits ${credits}`;
const money = (one: { readonly amount: number; readonly currency: string }) =>
  `${one.amount} ${one.currency}`;

function missingInPayment(transfer: Compared): Finding {
  return {
    ...ofTransfer("missing_in_payment", transfer),
    found: money(transfer),
    detail: `The journal booked a ${transfer.type} that payment does not hold for this tenant and mode.`,
  };
}

function ofTransfer(kind: FindingKind, transfer: Compared): Omit<Finding, "detail"> {
  return {
    kind,
    subject: transferSubject(transfer),
    tenantId: transfer.tenantId,
    mode: transfer.mode,
    currency: transfer.currency,
    paymentId: transfer.paymentId,
    refundId: transfer.refundId,
    journalId: transfer.journalId,
    account: null,
    expected: null,
    found: null,
  };
}

function missingInLedger(settlement: Settlement): Finding {
  return {
    kind: "missing_in_ledger",
    subject: settlementSubject(settlement),
    tenantId: settlement.tenant_id,
    mode: settlement.mode,
    currency: settlement.currency,
    paymentId: settlement.payment_id,
    refundId: settlement.kind === "refund" ? settlement.id : null,
    journalId: null,
    account: null,
    expected: money(settlement),
    found: null,
    detail: `Payment holds a succeeded ${settlement.kind} that the journal has not booked.`,
  };
}
