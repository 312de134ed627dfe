import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import type { PoliciesStore } from "../policies/policies.store.ts";
import type { Policy } from "../policies/policy.ts";
import type { PolicyCache } from "../policies/policy-cache.ts";
import type { Decision, DecisionsStore } from "./decisions.store.ts";

export interface GetDecision {
  readonly decisions: Pick<DecisionsStore, "find">;
  readonly store: Pick<PoliciesStore, "version">;
  readonly policies: PolicyCache;
}

/** A payment's decision and the policy that made it. Fails with `not_found`, also for another tenant or mode. */
export async function getDecision(
  deps: GetDecision,
  tenant: TenantContext,
  paymentId: string,
): Promise<{ readonly decision: Decision; readonly policy: Policy }> {
  if (!isId("pay", paymentId)) throw new DomainError("not_found");
  const [decision] = await deps.decisions.find([paymentId]);
  if (decision === undefined || decision.tenantId !== tenant.tenantId || decision.mode !== tenant.mode) {
    throw new DomainError("not_found");
  }
  const { fallback } = deps.policies;
  const policy =
    decision.policyHash === fallback.hash ? fallback.policy : await deps.store.version(decision.policyHash);
  if (policy === null) throw new Error(`the policy ${decision.policyHash} of a decision is gone`);
  return { decision, policy };
}
