import { nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { type Static, Type } from "@sinclair/typebox";
import { PolicyBody } from "./policy.ts";

/**
 * The policy's schema as the document shows it. `readPolicy` does the checking: a union's error would only
 * say that a rule fits none of its members, and not which field is wrong.
 */
// The JSON of an object is an object.
export const PolicyRequest = Type.Unknown(JSON.parse(JSON.stringify(PolicyBody)) as object);

export const PolicyResponse = Type.Object({
  tenant_id: Type.String(),
  mode: Type.String(),
  policy_hash: Type.String({ description: "Decisions name the version they were made by." }),
  is_default: Type.Boolean({
    description: "Whether the installation's default policy holds, for want of one.",
  }),
  managed_by: nullable(oneOf(["kubernetes"], "A resource's policy is changed by it alone.")),
  updated_at: nullable(Timestamp),
  policy: PolicyBody,
});
export type PolicyResponse = Omit<Static<typeof PolicyResponse>, "policy"> & { policy: unknown };
