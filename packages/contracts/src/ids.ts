import { TypeID, typeidUnboxed } from "typeid-js";

/** What each prefix stands for. */
export const idPrefixes = {
  tenant: "ten",
  key: "key",
  payment: "pay",
  refund: "ref",
  journal: "jrn",
  event: "evt",
  endpoint: "whe",
  delivery: "dlv",
  policy: "fpl",
  reconciliation: "rec",
} as const;

export type IdPrefix = (typeof idPrefixes)[keyof typeof idPrefixes];

const suffix = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** A new TypeID (https://github.com/jetify-com/typeid): prefix, underscore, UUIDv7 in base 32; ordered by time. */
export function newId(prefix: IdPrefix): string {
  return typeidUnboxed(prefix);
}

/** Whether the text is a well-formed id of that prefix; it says nothing of existence. */
export function isId(prefix: IdPrefix, value: string): boolean {
  return (
    value.length === prefix.length + 27 &&
    value.startsWith(`${prefix}_`) &&
    suffix.test(value.slice(prefix.length + 1))
  );
}

/** The id that stands for the given UUID, for ids derived from something else. */
export function idFromUuid(prefix: IdPrefix, uuid: string): string {
  return TypeID.fromUUID(prefix, uuid).toString();
}

/** A new id for a request that came without one. */
export function newRequestId(): string {
  return typeidUnboxed("req");
}
