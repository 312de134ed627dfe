import { nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import { actions } from "../policies/policy.ts";
import type { Flag } from "./flags.store.ts";

export const FlagsQuery = Type.Object(
  {
    ...pageQuery,
    decision: Type.Optional(oneOf(actions, "Only flags of this decision.")),
    payment_id: Type.Optional(Type.String({ maxLength: 100, description: "Only flags of this payment." })),
  },
  { additionalProperties: false },
);
export type FlagsQuery = Static<typeof FlagsQuery>;

export const FlagResponse = Type.Object({
  event_id: Type.String({ description: "The `fraud.flagged` event that told of it." }),
  payment_id: Type.String(),
  rule_triggered: Type.String({ description: "`fail_mode` where the payment could not be scored in time." }),
  risk_score: Type.Integer(),
  decision: oneOf(actions),
  late: Type.Boolean({ description: "Whether the payment had gone on without this decision." }),
  refund: Type.Boolean({ description: "Whether the policy wants what was captured refunded." }),
  flagged_at: Timestamp,
});
export type FlagResponse = Static<typeof FlagResponse>;

export const FlagList = Type.Object({
  data: Type.Array(FlagResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

/** A flag as the API shows it. */
export function toFlagResponse(flag: Flag): FlagResponse {
  return {
    event_id: flag.eventId,
    payment_id: flag.paymentId,
    rule_triggered: flag.ruleTriggered,
    risk_score: flag.riskScore,
    decision: flag.decision,
    late: flag.isLate,
    refund: flag.isRefundWanted,
    flagged_at: flag.flaggedAt.toISOString(),
  };
}
