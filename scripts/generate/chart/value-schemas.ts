import { type TProperties, Type } from "@sinclair/typebox";

/** An object that knows no other fields. All may be left out: values.yaml has them. */
export const closed = (properties: TProperties, description?: string) =>
  Type.Partial(Type.Object(properties), {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  });

export const flag = (description: string) => Type.Boolean({ description });

export const text = (description: string, pattern?: string) =>
  Type.String({ description, ...(pattern === undefined ? {} : { pattern }) });

/** The name of a Kubernetes object; empty for none. */
export const name = (description: string) =>
  Type.String({ description, pattern: "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", maxLength: 253 });

export const count = (description: string, range: { minimum?: number; maximum?: number } = {}) =>
  Type.Integer({ description, ...range });

/** The API server takes any spelling of a number; ours is one of these. */
export const quantity = (description: string) =>
  Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: "^[0-9]+(\\.[0-9]+)?(m|k|[KMGT]i?)?$" })], {
    description,
  });

/** Texts by names, as labels and annotations are. */
export const map = (description: string) =>
  Type.Unsafe<Record<string, string>>({
    ...{ type: "object", description, additionalProperties: { type: "string" } },
  });

/** Words, where TypeBox's own unions would be read as alternatives of schemas. */
export const oneOfThese = (words: readonly string[], description: string) =>
  Type.Unsafe<string>({ type: "string", enum: words, description });

export const cidrs = (description: string) =>
  Type.Array(Type.String({ pattern: "^[0-9a-fA-F.:]+/[0-9]{1,3}$" }), { description });

export const ports = (description: string) =>
  Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), { description });
