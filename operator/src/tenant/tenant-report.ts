import { governedId } from "@payflow/contracts/internal-operator.ts";
import { progressOfFailure, Refused } from "../governing/refusals.ts";
import type { StatusReport } from "../governing/status.ts";
import {
  currentSince,
  isAskedFor,
  isUsable,
  type KeyView,
  keyEntry,
  nextRotation,
} from "../keys/api-key-slot.ts";
import type { SettledKeys } from "../keys/settle-keys.ts";
import type { Finding, Progress } from "../kubernetes/objects/conditions.ts";
import { wholeSeconds } from "../kubernetes/objects/object-time.ts";
import type { Tenant, TenantStatus } from "./tenant.resource.ts";

type Report = StatusReport<TenantStatus>;

/** What the status says of a tenant whose keys are settled. Nothing of a key but its id and hash is shown. */
export function tenantReport(tenant: Tenant, keys: SettledKeys, isPolicyThere: boolean): Report {
  const [live, test] = keys.views;
  const handled = keys.views.some(isAskedFor)
    ? tenant.status?.lastHandledRotateNow
    : (live?.wanted.rotateNow ?? tenant.status?.lastHandledRotateNow);
  return {
    isComplete: true,
    progress: progressOf(tenant, isPolicyThere),
    findings: [secretReady(keys), keyRotating(keys), suspended(tenant)],
    fields: {
      tenantId: governedId("ten", tenant.metadata.uid),
      secretName: keys.secret.name,
      ...(handled === undefined ? {} : { lastHandledRotateNow: handled }),
      ...(live === undefined ? {} : { apiKey: keyStatus(live) }),
      ...(test === undefined ? {} : { testApiKey: keyStatus(test) }),
    },
  };
}

/** What the status says after a pass that failed: what was known stays, and why it failed. */
export function failureReport(tenant: Tenant, error: unknown): Report {
  const { observedGeneration: _, conditions = [], lastHandledForceSync: __, ...known } = tenant.status ?? {};
  const unknown = ["SecretReady", "KeyRotating", "Suspended"]
    .filter((type) => conditions.every((one) => one.type !== type))
    .map((type): Finding => ({ type, status: "Unknown", reason: "NotYetKnown", message: "" }));
  const refused: Finding[] = isSecretTaken(error)
    ? [{ type: "SecretReady", status: "False", reason: error.reason, message: error.message }]
    : [];
  return {
    isComplete: false,
    progress: progressOfFailure(error),
    findings: [...unknown, ...refused],
    fields: { ...known, tenantId: governedId("ten", tenant.metadata.uid) },
  };
}

/** Whether a pass failed since there is a Secret of the name that is not ours. */
function isSecretTaken(error: unknown): error is Refused {
  return error instanceof Refused && error.reason === "SecretNotOwned";
}

/** When there will be something to do although nothing changes: an overlap ends, or a key is due. */
export function wakeAt({ views }: SettledKeys): Date | undefined {
  const times = views.flatMap((view) => previousEnd(view) ?? nextRotation(view) ?? []);
  return times.sort((left, right) => left.getTime() - right.getTime())[0];
}

function progressOf({ spec }: Tenant, isPolicyThere: boolean): Progress {
  if (isPolicyThere && spec.suspended) {
    const message = "The tenant is as wanted: suspended, so that all its requests are refused.";
    return { state: "ready", reason: "Suspended", message };
  }
  if (isPolicyThere) {
    return { state: "ready", reason: "Ready", message: "The tenant is as wanted, and its key works." };
  }
  return {
    state: "reconciling",
    reason: "FraudPolicyMissing",
    message: `There is no FraudPolicy ${spec.fraudPolicyRef?.name}; until there is, the tenant has its own.`,
  };
}

function secretReady({ secret, views }: SettledKeys): Finding {
  const entries = views.map(({ slot }) => slot.entry).join(" and ");
  const message = `What the Secret ${secret.name} has under ${entries} works.`;
  return { type: "SecretReady", status: "True", reason: "KeyInUse", message };
}

function keyRotating({ views }: SettledKeys): Finding {
  const ends = views.flatMap((view) => {
    const end = previousEnd(view);
    return end === undefined ? [] : [`${view.slot.entry}-previous works until ${wholeSeconds(end)}`];
  });
  if (ends.length === 0) {
    return { type: "KeyRotating", status: "False", reason: "OneKey", message: "" };
  }
  const waiting = views.some(isAskedFor) ? " What rotate-now asks is done then." : "";
  return {
    ...{ type: "KeyRotating", status: "True", reason: "Overlap" },
    message: `${ends.join("; ")}.${waiting}`,
  };
}

function suspended({ spec }: Tenant): Finding {
  return {
    type: "Suspended",
    status: spec.suspended ? "True" : "False",
    reason: spec.suspended ? "SuspendedBySpec" : "Active",
    message: spec.suspended ? "All requests are refused." : "",
  };
}

function keyStatus(view: KeyView): NonNullable<TenantStatus["apiKey"]> {
  const current = keyEntry(view, "current");
  const since = currentSince(view);
  if (current === undefined || since === undefined) throw new Error("a slot is settled without a key in use");
  const next = nextRotation(view);
  const previous = keyEntry(view, "previous");
  const end = previousEnd(view);
  return {
    activeKeyId: current.keyId,
    fingerprint: current.sha256.slice(0, 16),
    issuedAt: wholeSeconds(since),
    ...(next === undefined ? {} : { nextRotation: wholeSeconds(next) }),
    ...(previous === undefined || end === undefined
      ? {}
      : { previous: { keyId: previous.keyId, expiresAt: wholeSeconds(end) } }),
  };
}

function previousEnd(view: KeyView): Date | undefined {
  const previous = keyEntry(view, "previous");
  if (!isUsable(previous) || previous.known.expires_at === null) return undefined;
  return new Date(previous.known.expires_at);
}
