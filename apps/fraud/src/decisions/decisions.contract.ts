import { ModeSchema } from "@payflow/contracts/access.ts";
import { nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { failModes, fraudDecisions } from "@payflow/contracts/internal-fraud.ts";
import { type Static, Type } from "@sinclair/typebox";
import { actions, type Policy } from "../policies/policy.ts";
import { isTriggered, limitOf } from "../scoring/evaluate.ts";
import type { Decision } from "./decision.ts";

const Evaluation = Type.Object({
  id: Type.String(),
  name: Type.String(),
  kind: oneOf(["velocity", "amount", "repeat_failure", "list"]),
  mode: oneOf(["enforce", "shadow", "off"]),
  value: nullable(
    Type.Number({ description: "What the rule saw, this payment included; null where it was not judged." }),
  ),
  limit: Type.Number(),
  triggered: Type.Boolean({ description: "Rules in shadow mode trigger too, but never act." }),
  action: nullable(oneOf(actions)),
  weight: Type.Integer(),
});

export const DecisionResponse = Type.Object({
  payment_id: Type.String(),
  tenant_id: Type.String(),
  mode: ModeSchema,
  decision: oneOf(fraudDecisions),
  score: Type.Integer({ minimum: 0, maximum: 100 }),
  rules: Type.Array(Type.String(), { description: "The enforced rules that triggered." }),
  fail_mode: oneOf(failModes, "What the policy says for payments that cannot be scored in time."),
  policy_hash: Type.String({ description: "The version of the policy that decided." }),
  evaluations: Type.Array(Evaluation, { description: "Every rule of that policy with what it saw." }),
  decided_at: Timestamp,
});
export type DecisionResponse = Static<typeof DecisionResponse>;

/** A decision together with the policy that made it. */
export function toDecisionResponse(decision: Decision, policy: Policy): DecisionResponse {
  return {
    payment_id: decision.paymentId,
    tenant_id: decision.tenantId,
    mode: decision.mode,
    decision: decision.decision,
    score: decision.score,
    rules: decision.rules,
    fail_mode: policy.fail_mode,
    policy_hash: decision.policyHash,
    evaluations: policy.rules.map((rule, index) => {
      const value = decision.seen[index] ?? null;
      return {
        id: rule.id,
        name: rule.name,
        kind: rule.kind,
        mode: rule.mode,
        value,
        limit: limitOf(rule),
        triggered: isTriggered(rule, value),
        action: "action" in rule ? rule.action : null,
        weight: "weight" in rule ? rule.weight : 0,
      };
    }),
    decided_at: decision.decidedAt.toISOString(),
  };
}
