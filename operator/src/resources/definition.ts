import type { TObject } from "@sinclair/typebox";
import type { ResourceKind } from "../kubernetes/objects/object.ts";
import type { CelRule } from "./schema.ts";

/** A column of `kubectl get`. Those with a priority are shown by `-o wide` alone. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly description: string;
  readonly jsonPath: string;
  readonly priority?: number;
}

/** A kind of ours: all that its CustomResourceDefinition and its reference page are made from. */
export interface ResourceDefinition {
  readonly kind: ResourceKind;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: TObject;
  readonly status: TObject;
  /** Rules over more than one of spec, status and name. */
  readonly rules: readonly CelRule[];
  /** Fields by which lists and watches can be narrowed, as paths: `.spec.tenantRef.name`. */
  readonly selectableFields: readonly string[];
  readonly columns: readonly PrinterColumn[];
  /** An object that shows what is usually given, for the reference page. */
  readonly example: Readonly<Record<string, unknown>>;
}

/** Where a column finds a condition's field. */
export function conditionPath(type: string, field: string): string {
  return `.status.conditions[?(@.type=="${type}")].${field}`;
}

/** Whether the object is ready, and why or why not: before and after the columns of its own. */
export const readyColumns: readonly PrinterColumn[] = [
  {
    name: "Ready",
    type: "string",
    description: "Whether all is as wanted and in force.",
    jsonPath: conditionPath("Ready", "status"),
  },
  {
    name: "Reason",
    type: "string",
    description: "Why it is ready or not, in one word.",
    jsonPath: conditionPath("Ready", "reason"),
  },
];

export const lastColumns: readonly PrinterColumn[] = [
  {
    name: "Message",
    type: "string",
    description: "Why it is ready or not, in a sentence.",
    jsonPath: conditionPath("Ready", "message"),
    priority: 1,
  },
  {
    name: "Age",
    type: "date",
    description: "When the object was made.",
    jsonPath: ".metadata.creationTimestamp",
  },
];
