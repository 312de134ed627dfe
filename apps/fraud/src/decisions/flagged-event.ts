import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import type { Action } from "../policies/policy.ts";

/** The rule that events of payments name which the fail mode held or blocked. */
export const failModeRule = "fail_mode";

export interface Flagged {
  readonly paymentId: string;
  readonly tenantId: string;
  readonly mode: "live" | "test";
  readonly requestId: string | null;
  readonly traceparent?: string | undefined;
  readonly rule: string;
  readonly score: number;
  readonly decision: Action;
  /** By the store's clock. */
  readonly flaggedAt: Date;
  /** Whether the payment had gone on without this decision. */
  readonly isLate: boolean;
  /** Whether the policy wants the remainder of a captured payment refunded. */
  readonly isRefundWanted: boolean;
}

/** The `fraud.flagged` event of a decision, or of a second look. */
export function flaggedEvent(flagged: Flagged): EventEnvelope<"fraud.flagged"> {
  const flaggedAt = flagged.flaggedAt.toISOString();
  return {
    event_id: newId("evt"),
    type: "fraud.flagged",
    version: 1,
    tenant_id: flagged.tenantId,
    mode: flagged.mode,
    key: flagged.paymentId,
    sequence: null,
    occurred_at: flaggedAt,
    request_id: flagged.requestId,
    ...(flagged.traceparent === undefined ? {} : { traceparent: flagged.traceparent }),
    data: {
      payment_id: flagged.paymentId,
      rule_triggered: flagged.rule,
      risk_score: flagged.score,
      decision: flagged.decision,
      late: flagged.isLate,
      refund: flagged.isRefundWanted,
      flagged_at: flaggedAt,
    },
  };
}
