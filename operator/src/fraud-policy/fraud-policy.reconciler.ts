import { InternalPolicy, internalPolicyPath } from "@payflow/contracts/internal-fraud.ts";
import { governedId } from "@payflow/contracts/internal-operator.ts";
import { Type } from "@sinclair/typebox";
import { isForced } from "../governing/annotations.ts";
import { requireNewestGeneration } from "../governing/newest-generation.ts";
import type { Reconciling } from "../governing/reconciling.ts";
import { progressOfFailure, Refused } from "../governing/refusals.ts";
import { writeStatus } from "../governing/status.ts";
import type { Applied, Next, Pass, Reconciler } from "../kubernetes/controller/reconciler.ts";
import type { Progress } from "../kubernetes/objects/conditions.ts";
import { addFinalizer, removeFinalizer } from "../kubernetes/objects/finalizers.ts";
import { keyOf } from "../kubernetes/objects/object.ts";
import type { Tenant } from "../tenant/tenant.resource.ts";
import { type FraudPolicy, type FraudPolicyStatus, fraudPolicyKind } from "./fraud-policy.resource.ts";
import { driftedFields, hasToBePut, type PolicyPlan, planFor, wasProgrammed } from "./fraud-policy.ts";
import { policyBody, policyTenants } from "./policy-body.ts";
import { appliedReplicas, nextCount, policyProgress, programmed } from "./programmed.ts";

interface ObservedPolicy {
  readonly policy: FraudPolicy;
  /** Those that refer to it. */
  readonly tenants: readonly Tenant[];
}

/** What is in force now, and why the resource's own is not where it was refused. */
type PolicyOutcome =
  | "nothing"
  | { readonly inForce: InternalPolicy | undefined; readonly refused: Refused | undefined };

const finalizer = "payflow.dev/fraud-policy";

/** Makes the fraud app decide as FraudPolicy resources say, for the tenants that refer to them. */
export class FraudPolicyReconciler implements Reconciler<ObservedPolicy, PolicyPlan, PolicyOutcome> {
  readonly #deps: Reconciling;
  /** The tenants that each policy was last given in this term. */
  readonly #assigned = new Map<string, string>();

  constructor(deps: Reconciling) {
    this.#deps = deps;
  }

  async observe({ key }: Pass): Promise<ObservedPolicy | undefined> {
    const { policies, tenants } = this.#deps.watched;
    const policy = policies.get(key);
    if (policy === undefined) {
      this.#assigned.delete(key);
      return undefined;
    }
    return { policy, tenants: tenants.find("policy", key) };
  }

  decide({ policy }: ObservedPolicy): PolicyPlan {
    return planFor(policy);
  }

  async apply(plan: PolicyPlan, observed: ObservedPolicy, pass: Pass): Promise<PolicyOutcome> {
    if (plan === "leave") return "nothing";
    if (plan === "remove") {
      await this.#remove(observed.policy, pass);
      return "nothing";
    }
    const { leading, watched, apps } = this.#deps;
    const policy = await watched.policies.writing(keyOf(observed.policy.metadata), () =>
      addFinalizer(leading.client, fraudPolicyKind, observed.policy, finalizer),
    );
    const path = pathOf(policy);
    const found = await apps.fraud.read(path, InternalPolicy, pass);
    await requireNewestGeneration(leading, fraudPolicyKind, policy, found?.generation);
    const put = await this.#put(policy, found, pass);
    const hasAssigned = await this.#assign(policy, observed.tenants, found, pass);
    // The tenants' own answer is empty, and their change is one that replicas have to apply.
    const inForce = hasAssigned ? await apps.fraud.read(path, InternalPolicy, pass) : put.inForce;
    return { inForce, refused: put.refused };
  }

  async report(applied: Applied<PolicyOutcome>, observed: ObservedPolicy): Promise<Next | undefined> {
    if (!applied.isDone) {
      await this.#write(observed, progressOfFailure(applied.error), undefined, false);
      return undefined;
    }
    if (applied.outcome === "nothing") return undefined;
    const { inForce, refused } = applied.outcome;
    const progress =
      refused === undefined && inForce !== undefined
        ? policyProgress(inForce, wasProgrammed(observed.policy, inForce))
        : progressOfFailure(refused);
    await this.#write(observed, progress, inForce, true);
    return nextCount(progress, inForce, this.#deps.deliveryStatusMs);
  }

  /** Puts what the resource says. A refusal is an outcome, so that tenants come and go all the same. */
  async #put(policy: FraudPolicy, found: InternalPolicy | undefined, pass: Pass) {
    const body = policyBody(policy.spec);
    const drifted = driftedFields(policy, body, found);
    if (!hasToBePut(policy, drifted, found)) return { inForce: found, refused: undefined };
    this.#deps.drift.report(fraudPolicyKind, policy, drifted);
    try {
      const inForce = await this.#deps.apps.fraud.put(policy, pathOf(policy), body, InternalPolicy, pass);
      return { inForce, refused: undefined };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { inForce: found, refused: error };
    }
  }

  /** Gives the policy its tenants, unless it is known to have them; whether anything was sent. */
  async #assign(
    policy: FraudPolicy,
    referring: readonly Tenant[],
    found: InternalPolicy | undefined,
    pass: Pass,
  ): Promise<boolean> {
    const { namespace, name, uid } = policy.metadata;
    const key = `${namespace}/${name}`;
    const tenants = policyTenants(referring);
    const text = JSON.stringify([uid, tenants]);
    const isCounted = found?.matched_tenants === tenants.length;
    if (isCounted && this.#assigned.get(key) === text && !isForced(policy)) return false;
    const path = `${pathOf(policy)}/tenants`;
    await this.#deps.apps.fraud.put(policy, path, { tenants }, Type.Undefined(), pass);
    this.#assigned.set(key, text);
    return true;
  }

  async #remove(policy: FraudPolicy, pass: Pass): Promise<void> {
    const { leading, apps } = this.#deps;
    await apps.fraud.remove(policy, pathOf(policy), Type.Undefined(), pass);
    await removeFinalizer(leading.client, fraudPolicyKind, policy, finalizer);
  }

  async #write(
    { policy, tenants }: ObservedPolicy,
    progress: Progress,
    inForce: InternalPolicy | undefined,
    isComplete: boolean,
  ): Promise<void> {
    const { policies } = this.#deps.watched;
    const known = policy.status ?? {};
    const hash = inForce?.hash ?? known.hash;
    // While none is known to run, what was counted before is nearer to the truth.
    const isCounted = inForce !== undefined && inForce.replicas.running > 0;
    const applied = isCounted ? appliedReplicas(inForce) : known.appliedReplicas;
    const shown: FraudPolicyStatus = {
      ...(hash === undefined ? {} : { hash }),
      ...(applied === undefined ? {} : { appliedReplicas: applied }),
    };
    await writeStatus(this.#deps, fraudPolicyKind, policies, policy, {
      progress,
      findings: [programmed(progress, inForce)],
      fields: {
        ...shown,
        policyId: governedId("fpl", policy.metadata.uid),
        matchedTenants: tenants.length,
      },
      isComplete,
    });
  }
}

function pathOf(policy: FraudPolicy): string {
  return internalPolicyPath(governedId("fpl", policy.metadata.uid));
}
