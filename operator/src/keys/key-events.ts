import type { EventRecorder } from "../kubernetes/events/event-recorder.ts";
import type { Happening } from "../kubernetes/events/event-series.ts";
import { type Tenant, tenantKind } from "../tenant/tenant.resource.ts";
import type { KeyReason } from "./next-key-step.ts";

const happenings: Readonly<Record<KeyReason, Pick<Happening, "type" | "reason"> | undefined>> = {
  // That a new tenant gets a key, its status tells.
  first: undefined,
  lost: { type: "Warning", reason: "KeyReplaced" },
  edited: { type: "Warning", reason: "KeyReplaced" },
  over: { type: "Warning", reason: "KeyReplaced" },
  scheduled: { type: "Normal", reason: "KeyRotation" },
  asked: { type: "Normal", reason: "KeyRotation" },
};

const causes: Readonly<Record<KeyReason, string>> = {
  first: "",
  lost: "is missing from the Secret; the key that was there is revoked",
  edited: "was changed in the Secret by somebody else; the key that was there is revoked",
  over: "does not work any more",
  scheduled: "is due to be replaced",
  asked: "is to be replaced, as the annotation rotate-now asks",
};

/** Tells why a new key is made. Nothing of a key is ever told. */
export function announceKey(
  events: EventRecorder,
  tenant: Tenant,
  {
    entry,
    why,
    secretName,
  }: { readonly entry: string; readonly why: KeyReason; readonly secretName: string },
): void {
  const happening = happenings[why];
  if (happening === undefined) return;
  const note = `A new key is made for the Secret ${secretName}, since ${entry} ${causes[why]}.`;
  events.record(tenantKind, tenant, { ...happening, action: "ReplaceKey", note });
}
