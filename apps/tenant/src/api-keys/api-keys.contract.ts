import { ModeSchema, ScopeSchema, scopes } from "@payflow/contracts/access.ts";
import { Name, nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import type { ApiKeyRow } from "../schema.ts";

const strict = { additionalProperties: false };
const Scopes = Type.Array(ScopeSchema, { minItems: 1, maxItems: scopes.length, uniqueItems: true });

/** A week: an overlap is for carrying a key over, not for keeping two. */
export const maxOverlapSeconds = 7 * 24 * 60 * 60;

export const CreateKeyBody = Type.Object(
  {
    name: Name,
    mode: ModeSchema,
    scopes: Type.Optional(Scopes),
    expires_at: Type.Optional(nullable(Timestamp)),
  },
  strict,
);
export type CreateKeyBody = Static<typeof CreateKeyBody>;

export const RotateKeyBody = Type.Object(
  {
    overlap_seconds: Type.Integer({
      minimum: 0,
      maximum: maxOverlapSeconds,
      description: "How long the present value still works.",
    }),
  },
  strict,
);
export type RotateKeyBody = Static<typeof RotateKeyBody>;

export const KeyParams = Type.Object({ id: Type.String({ description: "The key's id, `key_…`." }) });
export const KeysQuery = Type.Object(pageQuery, strict);
export type KeysQuery = Static<typeof KeysQuery>;

const keyFields = {
  key_id: Type.String(),
  name: Name,
  mode: ModeSchema,
  scopes: Type.Array(ScopeSchema),
  prefix: Type.String({ description: "The key's first characters." }),
  last4: Type.String({ description: "The key's last four characters." }),
  expires_at: nullable(Timestamp),
  previous_expires_at: nullable(Timestamp),
  last_used_at: nullable(Timestamp),
  managed_by: nullable(
    oneOf(["kubernetes"], "A key that the operator made is changed by its resource alone."),
  ),
  created_at: Timestamp,
};
export const KeyResponse = Type.Object(keyFields);
export type KeyResponse = Static<typeof KeyResponse>;

export const IssuedKeyResponse = Type.Object({
  ...keyFields,
  api_key: Type.String({ description: "The key itself, shown only here." }),
});
export type IssuedKeyResponse = Static<typeof IssuedKeyResponse>;

export const KeysResponse = Type.Object({
  data: Type.Array(KeyResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

/** A key as the API shows it: never its value. */
export function toKey(row: ApiKeyRow): KeyResponse {
  return {
    key_id: row.keyId,
    name: row.name,
    mode: row.mode,
    scopes: row.scopes,
    prefix: row.prefix,
    last4: row.last4,
    expires_at: row.expiresAt?.toISOString() ?? null,
    previous_expires_at: row.previousExpiresAt?.toISOString() ?? null,
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
    managed_by: row.managedBy,
    created_at: row.createdAt.toISOString(),
  };
}
