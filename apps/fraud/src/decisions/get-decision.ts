import type { TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import type { Policy } from "../policies/policy.ts";
import type { PolicyCache } from "../policies/policy-cache.ts";
import type { Decision, Decisions } from "./decision.ts";

export interface GetDecision {
  readonly decisions: Pick<Decisions, "find">;
  readonly policies: PolicyCache;
}

/**
 * A payment's decision and the policy that made it. Fails with `not_found`, also for another tenant or mode.
 */
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
  return { decision, policy: await deps.policies.version(decision.policyHash) };
}
