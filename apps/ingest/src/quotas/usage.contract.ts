import { nullable, Timestamp } from "@payflow/contracts/fields.ts";
import { Type } from "@sinclair/typebox";
import type { Usage } from "./usage.ts";

const Count = (description: string) => Type.Integer({ minimum: 0, description });

export const UsageResponse = Type.Object({
  month: Type.String({ description: "The calendar month in UTC, such as 2026-11." }),
  accepted: Type.Object(
    {
      live: Count("In live mode."),
      test: Count("In test mode."),
      total: Count("In both."),
    },
    {
      description:
        "Events stored this month. Repeats, refused events and those of the platform's own payments do not count.",
    },
  ),
  allowance: nullable(Count("Events that both modes together may store a month; null without a limit.")),
  remaining: nullable(Count("What is left of the allowance; null without a limit.")),
  resets_at: Timestamp,
});

export function toUsage({ month, accepted, allowance, resetsAt }: Usage) {
  const total = accepted.live + accepted.test;
  return {
    month,
    accepted: { ...accepted, total },
    allowance,
    remaining: allowance === null ? null : Math.max(0, allowance - total),
    resets_at: new Date(resetsAt).toISOString(),
  };
}
