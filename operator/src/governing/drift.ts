import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { KubernetesObject, ResourceKind } from "../kubernetes/objects/object.ts";
import type { Leading } from "./leading.ts";

/**
 * The fields of `wanted` that are otherwise in `found`, with dots between their names. Lists are compared as
 * sets; what only `found` has is nobody's concern.
 */
export function differingFields(wanted: unknown, found: unknown, path = ""): string[] {
  if (Array.isArray(wanted)) return isSameSet(wanted, found) ? [] : [path];
  if (typeof wanted !== "object" || wanted === null) return wanted === found ? [] : [path];
  const others = typeof found === "object" && found !== null ? found : {};
  return Object.entries(wanted).flatMap(([name, value]) => {
    // Whether it has that field was just asked.
    const other = Object.hasOwn(others, name) ? others[name as keyof typeof others] : undefined;
    return differingFields(value, other, path === "" ? name : `${path}.${name}`);
  });
}

function isSameSet(wanted: readonly unknown[], found: unknown): boolean {
  if (!Array.isArray(found) || found.length !== wanted.length) return false;
  const texts = new Set(found.map((entry) => JSON.stringify(entry)));
  return wanted.every((entry) => texts.has(JSON.stringify(entry)));
}

export interface DriftReporter {
  /** Counts the fields and names them in an Event of the resource. */
  report(kind: ResourceKind, object: KubernetesObject, fields: readonly string[]): void;
}

/** Tells of what somebody else has changed in a service, and is put right. */
export function createDriftReporter(leading: Leading, metrics: Metrics): DriftReporter {
  const counter = metrics.counter(
    "payflow_operator_drift_total",
    "Fields of a service's object that were not as its resource says, and were put right.",
    ["kind", "field"],
  );
  return {
    report(kind, object, fields) {
      if (fields.length === 0) return;
      for (const field of fields) counter.inc({ kind: kind.kind, field });
      leading.events.record(kind, object, {
        type: "Warning",
        reason: "DriftCorrected",
        action: "Reconcile",
        note: `Not as wanted in the service, and put right: ${fields.join(", ")}.`,
      });
    },
  };
}
