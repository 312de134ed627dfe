import type { Watched } from "../kubernetes/cache/watched.ts";
import {
  type Condition,
  type Finding,
  type Progress,
  progressFindings,
  withFindings,
} from "../kubernetes/objects/conditions.ts";
import { keyOf, type ResourceKind } from "../kubernetes/objects/object.ts";
import { isApplied } from "../kubernetes/objects/server-side-apply.ts";
import type { CustomObject } from "../resources/api-group.ts";
import { forceSyncOf } from "./annotations.ts";
import { fieldManager, type Leading } from "./leading.ts";

interface StatusOfAny {
  readonly observedGeneration?: number;
  readonly lastHandledForceSync?: string;
  readonly conditions?: readonly Condition[];
}

type AnyResource = CustomObject<unknown, StatusOfAny>;

/** What a pass has found. */
export interface StatusReport<Status> {
  /** Ready, Reconciling and Stalled follow from it. */
  readonly progress: Progress;
  /** Conditions of the resource's own; those left out stay as they are. */
  readonly findings?: readonly Finding[];
  /** Everything else the status says: what is left out of it is taken away. */
  readonly fields: Omit<Status, "observedGeneration" | "conditions" | "lastHandledForceSync">;
  /** Whether what force-sync asked for was done. */
  readonly isComplete: boolean;
}

export interface StatusWriter {
  readonly leading: Leading;
  readonly now: () => Date;
}

/**
 * Writes down what a pass has found; nothing is sent where the status says so already. Throws a conflict
 * where the object has changed since it was last seen.
 */
export async function writeStatus<T extends AnyResource>(
  { leading, now }: StatusWriter,
  kind: ResourceKind,
  watched: Watched<T>,
  object: T,
  report: StatusReport<NonNullable<T["status"]>>,
): Promise<void> {
  const { namespace, name, generation, uid } = object.metadata;
  const live = watched.get(keyOf(object.metadata));
  // It went while it was looked at.
  if (live?.metadata.uid !== uid) return;
  const { progress, findings = [], fields, isComplete } = report;
  const known = live.status?.conditions ?? [];
  const found = [...progressFindings(progress), ...findings];
  const forced = isComplete ? forceSyncOf(object) : object.status?.lastHandledForceSync;
  const status = {
    ...fields,
    ...(forced === undefined ? {} : { lastHandledForceSync: forced }),
    observedGeneration: generation,
    conditions: withFindings(known, found, generation, now()),
  };
  const desired = { metadata: { namespace, name }, status };
  if (isApplied(desired, live, fieldManager, "status")) return;
  // A leader that was frozen right here, and leads no longer, knows no version that is still the present one.
  const metadata = { namespace, name, uid, resourceVersion: live.metadata.resourceVersion };
  await watched.writing(keyOf(metadata), () => leading.applier.applyStatus<T>(kind, { metadata, status }));
}
