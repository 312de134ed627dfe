import { Amount, oneOf } from "@payflow/contracts/fields.ts";
import { type Static, Type } from "@sinclair/typebox";

const strict = { additionalProperties: false };

export const CaptureBody = Type.Object(
  {
    amount: Type.Optional({
      ...Amount,
      description: "Minor units to take, once; the rest is released. The whole amount when left out.",
    }),
  },
  strict,
);
export type CaptureBody = Static<typeof CaptureBody>;

export const VoidBody = Type.Object({}, strict);

export const ReviewBody = Type.Object(
  {
    decision: oneOf(
      ["approve", "reject"],
      "Approving captures a payment with automatic capture and lets a manual one be captured; rejecting voids.",
    ),
  },
  strict,
);
export type ReviewBody = Static<typeof ReviewBody>;

/** Each body's fields in the order of their fingerprints: append only. */
export const captureFields = ["amount"] as const;
export const voidFields = [] as const;
export const reviewFields = ["decision"] as const;
