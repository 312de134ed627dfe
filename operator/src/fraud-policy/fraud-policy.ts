import type { InternalPolicy, PutPolicyBody } from "@payflow/contracts/internal-fraud.ts";
import { isForced, isPaused } from "../governing/annotations.ts";
import { isBeingDeleted } from "../kubernetes/objects/finalizers.ts";
import type { FraudPolicy } from "./fraud-policy.resource.ts";

/** What is to be done about a policy before anything has been asked. */
export type PolicyPlan = "leave" | "remove" | "converge";

export function planFor(policy: FraudPolicy): PolicyPlan {
  if (isPaused(policy)) return "leave";
  return isBeingDeleted(policy) ? "remove" : "converge";
}

/**
 * The fields that are not as this generation of the resource once put them; none while the generation has not
 * been put. Of the rules only the hash is known, which the status remembers.
 */
export function driftedFields(
  { metadata, status }: FraudPolicy,
  wanted: Pick<PutPolicyBody, "mode">,
  found: InternalPolicy | undefined,
): readonly string[] {
  if (status?.hash === undefined || status.observedGeneration !== metadata.generation) return [];
  if (found === undefined) return ["policy"];
  // A generation that was refused has left an earlier one in force.
  if (found.generation !== metadata.generation) return [];
  return [...(found.mode === wanted.mode ? [] : ["mode"]), ...(found.hash === status.hash ? [] : ["rules"])];
}

/** Whether the policy has to be put: a repeat of what is in force would change nothing. */
export function hasToBePut(
  policy: FraudPolicy,
  drifted: readonly string[],
  found: InternalPolicy | undefined,
): boolean {
  return isForced(policy) || drifted.length > 0 || found?.generation !== policy.metadata.generation;
}

/** Whether the status says of this very version that it was in force everywhere. */
export function wasProgrammed({ metadata, status }: FraudPolicy, inForce: InternalPolicy): boolean {
  const said = status?.conditions?.find(({ type }) => type === "Programmed");
  const isSaid = said?.status === "True" && said.observedGeneration === metadata.generation;
  return isSaid && inForce.generation === metadata.generation && inForce.hash === status?.hash;
}
