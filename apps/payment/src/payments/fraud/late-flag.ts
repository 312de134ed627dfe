import type { OperationKind } from "../../operations/operation.ts";
import { type Decision, decisions, type PaymentStatus } from "../payment.ts";

/** What a late `fraud.flagged` asks for. */
export interface LateFlag {
  readonly eventId: string;
  readonly decision: Decision;
  /** Whether the policy wants what was captured paid back. */
  readonly wantsRefund: boolean;
}

/** What becomes of a payment by a late flag. */
export type FlagEffect = "wait" | "void" | "refund" | "note";

/** What of a payment decides what a late flag does to it. */
export interface Flaggable {
  readonly status: PaymentStatus;
  /** Its open operation. */
  readonly open: OperationKind | null;
  /** Minor units that are set aside for refunds not settled yet. */
  readonly refundPending: number;
}

/**
 * While a payment is `processing` or has an open operation its state is not known, so the flag waits for
 * whoever ends that. A block voids what is only authorized and, where the policy says so, refunds what was
 * captured; all of it in one refund, so that it waits for pending ones, which may fail and leave their part.
 * A payment under review is already before a person, who sees the note; everything else is past and only
 * noted.
 */
export function flagEffect(
  flag: Pick<LateFlag, "decision" | "wantsRefund">,
  { status, open, refundPending }: Flaggable,
): FlagEffect {
  if (status === "processing" || open !== null) return "wait";
  if (flag.decision !== "block") return "note";
  if (status === "authorized") return "void";
  if (status !== "succeeded" || !flag.wantsRefund) return "note";
  return refundPending > 0 ? "wait" : "refund";
}

/** Of several flags about one payment the one that asks for most; its effect covers the others. */
export function leadingFlag<F extends LateFlag>(flags: readonly F[]): F | undefined {
  return [...flags].sort(
    (left, right) =>
      decisions.indexOf(right.decision) - decisions.indexOf(left.decision) ||
      Number(right.wantsRefund) - Number(left.wantsRefund) ||
      (left.eventId < right.eventId ? -1 : 1),
  )[0];
}

/** The stricter of two decisions, where one may be missing. */
export function stricter(left: Decision | null, right: Decision): Decision {
  return left === null || decisions.indexOf(right) > decisions.indexOf(left) ? right : left;
}
