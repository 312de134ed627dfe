import { DomainError } from "@payflow/contracts/errors.ts";
import type { InternalPolicy, PolicyTenantsBody, PutPolicyBody } from "@payflow/contracts/internal-fraud.ts";
import { type Governor, governedId } from "@payflow/contracts/internal-operator.ts";
import { policyHash } from "../policy.ts";
import type { PolicyCache } from "../policy-cache.ts";
import type { GovernedPoliciesStore, HeldPolicy } from "./governed-policies.store.ts";
import { failedTests, policyInMode, writtenPolicy } from "./governed-policy.ts";

export interface GovernPolicy {
  readonly governedPolicies: GovernedPoliciesStore;
  readonly policies: PolicyCache;
}

/**
 * Puts what a FraudPolicy resource says into force, for every mode of its tenants. Fails with
 * `policy_test_failed`, and the last good one stays; with `invalid_request`, `stale_leader`,
 * `stale_generation`, `governed_by_another`, or `invalid_state` once it was deleted.
 */
export async function putGovernedPolicy(
  deps: GovernPolicy,
  governor: Governor,
  policyId: string,
  body: PutPolicyBody,
): Promise<InternalPolicy> {
  const written = writtenPolicy(body);
  const errors = failedTests(written, body.tests);
  if (errors.length > 0) {
    throw new DomainError("policy_test_failed", `The policy fails: ${errors[0]?.message}.`, { errors });
  }
  const policy = policyInMode(written, body.mode);
  const version = { mode: body.mode, hash: policyHash(policy), policy };
  await hold(deps, governor, policyId, (held) => held.put(version));
  return readInternalPolicy(deps, policyId);
}

/**
 * Sets the tenants that a policy governs; those it lets go have their own policies again. It may come before
 * the policy, which then governs them from its first good version on. Fails as `putGovernedPolicy` does.
 */
export function assignTenants(
  deps: GovernPolicy,
  governor: Governor,
  policyId: string,
  { tenants }: PolicyTenantsBody,
): Promise<void> {
  return hold(deps, governor, policyId, (held) => held.assign(tenants));
}

/** Lets go of a policy and its tenants. Repeating it changes nothing. Fails as `putGovernedPolicy` does. */
export async function deleteGovernedPolicy(
  deps: GovernPolicy,
  governor: Governor,
  policyId: string,
): Promise<void> {
  requireOwnId(governor, policyId);
  await deps.governedPolicies.hold(governor, policyId, async (held) => {
    if (!held.claim.isReleased) await held.remove();
  });
  deps.policies.expire();
}

/** A resource's policy that is in force, and how far it is applied. Fails with `not_found`. */
export async function readInternalPolicy(
  deps: Pick<GovernPolicy, "governedPolicies">,
  policyId: string,
): Promise<InternalPolicy> {
  const view = await deps.governedPolicies.view(policyId);
  if (view === null) throw new DomainError("not_found");
  const { mode, hash, generation, matched, applied, running, updated_at } = view;
  return {
    policy_id: policyId,
    mode,
    hash,
    generation,
    matched_tenants: matched,
    replicas: { applied, running },
    updated_at: new Date(updated_at).toISOString(),
  };
}

async function hold(
  deps: GovernPolicy,
  governor: Governor,
  policyId: string,
  run: (held: HeldPolicy) => Promise<void>,
): Promise<void> {
  requireOwnId(governor, policyId);
  await deps.governedPolicies.hold(governor, policyId, async (held) => {
    if (held.claim.isReleased) throw new DomainError("invalid_state", "The resource was deleted.");
    await run(held);
  });
  deps.policies.expire();
}

function requireOwnId(governor: Governor, policyId: string): void {
  if (governedId("fpl", governor.owner.uid) === policyId) return;
  throw new DomainError("invalid_request", "The id does not follow from the resource's uid.");
}
