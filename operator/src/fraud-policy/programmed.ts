import type { InternalPolicy } from "@payflow/contracts/internal-fraud.ts";
import type { Next } from "../kubernetes/controller/reconciler.ts";
import type { Finding, Progress } from "../kubernetes/objects/conditions.ts";

/** How many of fraud's replicas decide by the version in force. */
export function appliedReplicas({ replicas }: InternalPolicy): string {
  return `${replicas.applied}/${replicas.running}`;
}

/**
 * How far a policy has come that the fraud app has taken: it is ready once every replica decides by it. One
 * that was programmed stays so while no replica is known to run: one has just answered, and was only slow to
 * say that it runs.
 */
export function policyProgress(policy: InternalPolicy, wasProgrammed: boolean): Progress {
  const { applied, running } = policy.replicas;
  if (running === 0 ? wasProgrammed : applied === running) {
    return { state: "ready", reason: "Programmed", message: "Every replica of the fraud app decides by it." };
  }
  return {
    state: "reconciling",
    reason: "Applying",
    message: `${applied} of ${running} replicas of the fraud app decide by it.`,
  };
}

const applyingBackoff = { firstMs: 500, maxMs: 4_000 };

/**
 * When the replicas are counted again: soon while some do not decide by the version in force yet, and ever
 * more seldom as long as nothing moves. Another version, or one more replica that has it, begins anew.
 */
export function nextCount(progress: Progress, inForce: InternalPolicy | undefined, usualMs: number): Next {
  if (progress.state !== "reconciling") return { afterMs: usualMs };
  const { generation, hash, replicas } = inForce ?? {};
  const reason = JSON.stringify([progress.reason, generation, hash, replicas]);
  return { waiting: { reason, backoff: applyingBackoff } };
}

/** Whether the spec is in force; where it was refused, what is in force in its place. */
export function programmed(progress: Progress, inForce: InternalPolicy | undefined): Finding {
  const isInForce = progress.state === "ready";
  const instead =
    inForce === undefined || progress.state !== "stalled"
      ? ""
      : ` Generation ${inForce.generation ?? "unknown"} stays in force.`;
  return {
    type: "Programmed",
    status: isInForce ? "True" : "False",
    reason: progress.reason,
    message: `${progress.message}${instead}`,
  };
}
