import type { KubernetesObject, ObjectMeta, ResourceKind } from "../kubernetes/objects/object.ts";

export const apiGroup = "payflow.dev";
export const apiVersion = "v1alpha1";
/** `kubectl get payflow` lists everything of the group. */
export const apiCategory = "payflow";

/** A kind of ours and its place in the API. */
export function resourceKind(kind: string, plural: string): ResourceKind {
  return { group: apiGroup, version: apiVersion, kind, plural, isNamespaced: true };
}

/** What the API server fills in of every object it has stored. */
type Stored = "namespace" | "uid" | "resourceVersion" | "generation" | "creationTimestamp";

/** An object of ours as the API server has it: defaults are filled in, the status may not be there yet. */
export interface CustomObject<Spec, Status> extends KubernetesObject {
  readonly metadata: ObjectMeta & Required<Pick<ObjectMeta, Stored>>;
  readonly spec: Spec;
  readonly status?: Status;
}
