import type { TSchema } from "@sinclair/typebox";
import type { CelRule } from "./schema.ts";

/** An OpenAPI schema that Kubernetes calls structural: each field has one type, and nothing is left open. */
export interface StructuralSchema {
  readonly type: "object" | "array" | "string" | "integer" | "boolean";
  readonly description?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: StructuralSchema;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly required?: readonly string[];
  readonly "x-kubernetes-map-type"?: string;
  readonly "x-kubernetes-list-type"?: string;
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-validations"?: readonly CelRule[];
}

/**
 * A schema as the API server takes it. A field with a default may be left out, although whoever reads a
 * stored object finds it. Throws where a field has no description or no bound: without bounds the API server
 * refuses rules, for what they might cost.
 */
export function structural(schema: TSchema, path: string): StructuralSchema {
  const description = schema.description?.replace(/\s+/g, " ");
  if (!description) throw new Error(`${path} has no description.`);
  const fallback = completeDefault(schema);
  const common = { description, ...(fallback === undefined ? {} : { default: fallback }) };
  const rules = schema["x-kubernetes-validations"] === undefined ? {} : { ...rulesOf(schema) };
  if (schema.anyOf !== undefined) {
    return { type: "string", ...common, enum: words(schema.anyOf, path), ...rules };
  }
  switch (schema.type) {
    case "object":
      return { type: "object", ...common, ...fieldsOf(schema, path), ...rules };
    case "array":
      return { type: "array", ...common, ...entriesOf(schema, path), ...rules };
    case "integer":
      return { type: "integer", ...common, ...boundsOf(schema), ...rules };
    case "string":
      return { type: "string", ...common, ...textBounds(schema, path), ...rules };
    case "boolean":
      return { type: "boolean", ...common, ...rules };
    default:
      throw new Error(`${path} has a form that Kubernetes does not know.`);
  }
}

/** An object's default has those of its fields in it: rules are checked on it as it stands. */
function completeDefault(schema: TSchema): unknown {
  if (schema.default === undefined || schema.type !== "object") return schema.default;
  // An object schema has its fields here.
  const fields = Object.entries(schema.properties as Readonly<Record<string, TSchema>>);
  const own = fields.map(([name, field]) => [name, completeDefault(field)] as const);
  return { ...Object.fromEntries(own.filter(([, value]) => value !== undefined)), ...schema.default };
}

/** A rule may stand on several lines in the source. */
function rulesOf(schema: TSchema) {
  // Set by `validated` alone.
  const rules = schema["x-kubernetes-validations"] as readonly CelRule[];
  return {
    "x-kubernetes-validations": rules.map((one) => ({ ...one, rule: one.rule.replace(/\s+/g, " ") })),
  };
}

function words(choices: readonly TSchema[], path: string): string[] {
  return choices.map((one) => {
    if (typeof one.const !== "string") throw new Error(`${path} is neither one type nor a choice of words.`);
    return one.const;
  });
}

function fieldsOf(schema: TSchema, path: string) {
  // An object schema has its fields here.
  const fields = Object.entries(schema.properties as Readonly<Record<string, TSchema>>);
  const required = fields
    .filter(([name, field]) => schema.required?.includes(name) && field.default === undefined)
    .map(([name]) => name);
  const mapType = schema["x-kubernetes-map-type"];
  return {
    properties: Object.fromEntries(
      fields.map(([name, field]) => [name, structural(field, `${path}.${name}`)]),
    ),
    ...(required.length === 0 ? {} : { required }),
    ...(mapType === undefined ? {} : { "x-kubernetes-map-type": mapType }),
  };
}

function entriesOf(schema: TSchema, path: string) {
  const { minItems, maxItems, items } = schema;
  if (maxItems === undefined) throw new Error(`${path} has no bound.`);
  const keys = schema["x-kubernetes-list-map-keys"];
  return {
    "x-kubernetes-list-type": schema["x-kubernetes-list-type"] ?? "atomic",
    ...(keys === undefined ? {} : { "x-kubernetes-list-map-keys": keys }),
    ...(minItems === undefined ? {} : { minItems }),
    maxItems,
    items: structural(items, `${path}[]`),
  };
}

const largestInt32 = 2 ** 31 - 1;

function boundsOf({ minimum, maximum }: TSchema) {
  return {
    format: maximum !== undefined && maximum <= largestInt32 ? "int32" : "int64",
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
  };
}

function textBounds({ minLength, maxLength, pattern, format }: TSchema, path: string) {
  if (maxLength === undefined && format === undefined) throw new Error(`${path} has no bound.`);
  return {
    ...(format === undefined ? {} : { format }),
    ...(minLength === undefined ? {} : { minLength }),
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(pattern === undefined ? {} : { pattern }),
  };
}
