import { rotateNowOf } from "../../governing/annotations.ts";
import type { Reconciling } from "../../governing/reconciling.ts";
import { Refused } from "../../governing/refusals.ts";
import {
  abandonSecret,
  cachedSecret,
  isMarked,
  noSecret,
  type OwnedSecret,
  readSecret,
  type SecretOwner,
  writeSecret,
} from "../../keys/owned-secret.ts";
import { isConflict } from "../../kubernetes/client/api-error.ts";
import {
  signingSecretName,
  type WebhookEndpoint,
  webhookEndpointKind,
} from "../webhook-endpoint.resource.ts";
import {
  type IssueReason,
  issued,
  readSigning,
  reasonToIssue,
  type Signing,
  writtenSigning,
} from "./signing.ts";

type Deps = Pick<Reconciling, "leading" | "watched" | "now" | "crash">;

/**
 * The secret to sign with, which stands in the endpoint's Secret before the notifier hears of it: whoever
 * checks messages by both entries never meets one they cannot check. Throws `Refused` where a Secret of that
 * name is not this endpoint's.
 */
export async function ensureSigning(deps: Deps, endpoint: WebhookEndpoint): Promise<Signing> {
  const { rotation } = endpoint.spec.signing;
  const asked = rotateNowOf(endpoint);
  const made = await makeFirst(deps, endpoint);
  if (made !== undefined) return made;
  const secret = await find(deps, endpoint);
  const held = readSigning(secret);
  const reason = reasonToIssue(held, rotation, asked, deps.now());
  if (reason === undefined && typeof held !== "string") {
    if (!isMarked(secret)) await writeSecret(deps, secret, {});
    return held;
  }
  const next = issued(held, rotation, asked, deps.now());
  await writeSecret(deps, secret, writtenSigning(next));
  deps.crash("signing.replaced");
  tell(deps, endpoint, reason ?? "Missing");
  return next;
}

/** Takes the previous secret away once nothing is signed with it any more. */
export async function forgetPrevious(
  deps: Deps,
  endpoint: WebhookEndpoint,
  signing: Signing,
): Promise<Signing> {
  const kept = { ...signing, previous: undefined };
  await writeSecret(deps, await find(deps, endpoint), writtenSigning(kept));
  return kept;
}

/** Lets the Secret go with the endpoint, which has nothing more to send. */
export async function abandonSigning(deps: Deps, endpoint: WebhookEndpoint): Promise<void> {
  try {
    await abandonSecret(deps, await find(deps, endpoint));
  } catch (error) {
    // One that is not the endpoint's own is left alone to the end.
    if (!(error instanceof Refused)) throw error;
  }
}

/** Makes the Secret of a new endpoint without looking first; undefined where there is one of its name. */
async function makeFirst(deps: Deps, endpoint: WebhookEndpoint): Promise<Signing | undefined> {
  const { owner, name } = placeOf(endpoint);
  const isNew = endpoint.status?.signing === undefined;
  if (!isNew || cachedSecret(deps, owner, name) !== undefined) return undefined;
  const made = issued("Missing", endpoint.spec.signing.rotation, rotateNowOf(endpoint), deps.now());
  try {
    await writeSecret(deps, noSecret(owner, name), writtenSigning(made));
  } catch (error) {
    if (isConflict(error)) return undefined;
    throw error;
  }
  deps.crash("signing.made");
  return made;
}

/** Asked for itself where the watch knows of none: it may have lost its label. */
async function find(deps: Deps, endpoint: WebhookEndpoint): Promise<OwnedSecret> {
  const { owner, name } = placeOf(endpoint);
  return cachedSecret(deps, owner, name) ?? (await readSecret(deps, owner, name));
}

function placeOf(endpoint: WebhookEndpoint): { readonly owner: SecretOwner; readonly name: string } {
  return {
    owner: { kind: webhookEndpointKind, metadata: endpoint.metadata },
    name: signingSecretName(endpoint),
  };
}

/** That a new endpoint has a secret goes without saying. */
function tell({ leading }: Deps, endpoint: WebhookEndpoint, reason: IssueReason): void {
  const name = signingSecretName(endpoint);
  const isRepair = reason === "Edited" || reason === "Missing";
  const why = reason === "Edited" ? "was edited" : "was gone";
  leading.events.record(webhookEndpointKind, endpoint, {
    type: isRepair ? "Warning" : "Normal",
    reason: isRepair ? "SecretRestored" : "SecretRotated",
    action: "Reconcile",
    note: isRepair
      ? `The signing secret in ${name} ${why}; a new one is in its place.`
      : `A new signing secret is in ${name}.`,
  });
}
