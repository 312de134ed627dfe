import { type SchemaOptions, type TProperties, type TSchema, Type } from "@sinclair/typebox";

/** A rule in CEL that the API server checks; `oldSelf` in one makes it a rule about changes. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
  /** Where the message points, relative to the field that has the rule: `.overlap`. */
  readonly fieldPath?: string;
}

/** Schema options that hold these rules. */
export function validated(...rules: readonly CelRule[]): SchemaOptions {
  return { "x-kubernetes-validations": rules };
}

/** The rule that a field stays what it was made with. */
export function immutable(field: string): SchemaOptions {
  return validated({ rule: "self == oldSelf", message: `${field} cannot be changed` });
}

/** The rule, for the object around it, that a field stays as it was made, given or left out. */
export function immutableOption(field: string): SchemaOptions {
  return validated({
    rule: `has(self.${field}) == has(oldSelf.${field})
      && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
    message: `${field} cannot be changed`,
    fieldPath: `.${field}`,
  });
}

/** Text without control characters. The pattern is one that Go and JavaScript read alike. */
export function plainText(maxLength: number, description: string, options: SchemaOptions = {}) {
  const pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$";
  return Type.String({ minLength: 1, maxLength, pattern, description, ...options });
}

/** One of the words. */
export function choice<const T extends readonly string[]>(
  words: T,
  description: string,
  options: SchemaOptions = {},
) {
  return Type.Union(
    // Mapping a tuple loses its words; each is one of T.
    words.map((word) => Type.Literal(word as T[number])),
    { description, ...options },
  );
}

/** An object whose fields all have defaults, and which therefore may be left out itself. */
export function settings<P extends TProperties>(
  properties: P,
  description: string,
  options: SchemaOptions = {},
) {
  return Type.Object(properties, { description, default: {}, ...options });
}

/** What names another object: it is changed as a whole, so that no half of one name meets half of another. */
export function reference<P extends TProperties>(
  properties: P,
  description: string,
  options: SchemaOptions = {},
) {
  return Type.Object(properties, { description, "x-kubernetes-map-type": "atomic", ...options });
}

/** A list in which each entry stands once. */
export function setOf<T extends TSchema>(
  items: T,
  options: SchemaOptions & { readonly description: string; readonly maxItems: number },
) {
  return Type.Array(items, { "x-kubernetes-list-type": "set", ...options });
}

/** A list whose entries are told apart by some of their fields. */
export function mapOf<T extends TSchema>(
  items: T,
  keys: readonly string[],
  options: SchemaOptions & { readonly description: string; readonly maxItems: number },
) {
  return Type.Array(items, {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": keys,
    ...options,
  });
}

/** A moment, as RFC 3339. */
export function moment(description: string) {
  return Type.String({ format: "date-time", description });
}

/** The name of another object. */
export function objectName(description: string, options: SchemaOptions = {}) {
  const pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
  return Type.String({ minLength: 1, maxLength: 253, pattern, description, ...options });
}

const namespacePattern = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/** The name of a namespace. */
export function namespaceName(description: string) {
  return Type.String({ minLength: 1, maxLength: 63, pattern: `^${namespacePattern}$`, description });
}

/** The name of a namespace, or `*` for every one. */
export function namespaceOrAll(description: string) {
  return Type.String({ minLength: 1, maxLength: 63, pattern: `^(\\*|${namespacePattern})$`, description });
}
