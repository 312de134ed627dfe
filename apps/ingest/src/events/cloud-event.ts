import type { FieldError } from "@payflow/contracts/errors.ts";
import { repeatedName } from "./bodies/split-body.ts";

/** The event that a CloudEvent carries, or what is wrong with the CloudEvent itself. */
export type Carried =
  | {
      readonly data: unknown;
      /** Serves where the data has no `event_id`. */
      readonly id: string;
      /** Stands before the pointers of what is wrong with the data. */
      readonly dataPointer: string;
      /** Where such an id is. */
      readonly idPointer: string;
    }
  | { readonly id: string | null; readonly errors: FieldError[] };

type Attributes = Readonly<Record<string, unknown>>;

/** At most this many attributes are named. */
const maxErrors = 10;

/**
 * What a CloudEvent in structured mode carries (CloudEvents 1.0.2, JSON format). Attributes that it needs
 * not for that are checked and left behind.
 */
export function fromStructured(value: unknown): Carried {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { id: null, errors: [{ pointer: "", message: "Expected an object" }] };
  }
  // An object of JSON.
  const { data, data_base64: base64, ...attributes } = value as Attributes;
  const errors = attributeErrors(attributes, (name) => `/${name}`);
  const hasText = base64 !== undefined && base64 !== null;
  if (hasText && data !== undefined) {
    errors.push({ pointer: "/data_base64", message: "Expected either this or data" });
  } else if (!hasText && data === undefined) {
    errors.push({ pointer: "/data", message: "Expected required property" });
  }
  const decoded = hasText ? fromBase64(base64) : { value: data, twice: null };
  if (decoded === undefined && errors.length === 0) {
    errors.push({ pointer: "/data_base64", message: "Expected a JSON document in base64" });
  }
  // A name that stands twice is seen in the event's own text, and such a document is none of it.
  if (decoded !== undefined && decoded.twice !== null) {
    errors.push({ pointer: `/data_base64/${escaped(decoded.twice)}`, message: "Expected once" });
  }
  const dataPointer = hasText ? "/data_base64" : "/data";
  return carried(attributes, errors, decoded?.value, dataPointer, "/id");
}

/** What a CloudEvent in binary mode carries: its attributes are headers, its data is the body. */
export function fromBinary(headers: Headers, data: unknown): Carried {
  const attributes: Record<string, unknown> = {};
  const errors: FieldError[] = [];
  for (const [header, text] of headers) {
    if (!header.startsWith("ce-")) continue;
    try {
      attributes[header.slice(3)] = decodeURIComponent(text);
    } catch {
      errors.push({ pointer: headerPointer(header.slice(3)), message: "Expected percent-encoded UTF-8" });
    }
  }
  if (errors.length === 0) errors.push(...attributeErrors(attributes, headerPointer));
  return carried(attributes, errors, data, "", headerPointer("id"));
}

const headerPointer = (name: string) => `#/header/ce-${name.slice(0, 100)}`;

function carried(
  { id }: Attributes,
  errors: FieldError[],
  data: unknown,
  dataPointer: string,
  idPointer: string,
): Carried {
  if (typeof id === "string" && errors.length === 0) return { data, id, dataPointer, idPointer };
  return { id: typeof id === "string" ? id : null, errors: errors.slice(0, maxErrors) };
}

function attributeErrors(attributes: Attributes, pointerOf: (name: string) => string): FieldError[] {
  const errors: FieldError[] = [];
  const refuse = (name: string, message: string) => errors.push({ pointer: pointerOf(name), message });
  if (attributes.specversion !== "1.0") refuse("specversion", "Expected 1.0");
  for (const name of ["id", "source", "type"]) {
    const value = attributes[name];
    if (typeof value !== "string" || value === "") refuse(name, "Expected text of at least 1 character");
  }
  const { datacontenttype } = attributes;
  if (typeof datacontenttype === "string" && !/^[^;]*[/+]json\s*(;|$)/i.test(datacontenttype)) {
    refuse("datacontenttype", "Expected application/json");
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (errors.length >= maxErrors) break;
    if (!/^[a-z0-9]+$/.test(name)) refuse(escaped(name), "Expected lower-case letters and digits in a name");
    else if (typeof value === "object" && value !== null)
      refuse(name, "Expected text, a number or a boolean");
  }
  return errors;
}

/** A name within a pointer (RFC 6901, 3), bounded: it may be as long as the body. */
function escaped(name: string): string {
  return name.slice(0, 100).replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The JSON document that stands in base64, and a name that stands twice in it; undefined for none. */
function fromBase64(base64: unknown): { readonly value: unknown; readonly twice: string | null } | undefined {
  if (typeof base64 !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(base64, "base64"));
    return { value: JSON.parse(text), twice: repeatedName(text) };
  } catch {
    return undefined;
  }
}
