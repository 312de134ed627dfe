import { type Static, Type } from "@sinclair/typebox";
import { ModeSchema, ScopeSchema, TenantLimitsSchema } from "./access.ts";
import { nullable, oneOf, Timestamp } from "./fields.ts";

const Id = Type.String({ minLength: 1, maxLength: 100 });

/** `POST /internal/v1/keys/verify`: what some keys stand for at this moment. */
export const verifyKeysPath = "/internal/v1/keys/verify";

/** Keys that one call may ask about at most. */
export const maxVerifyBatch = 256;

/** A key itself never leaves the process it was sent to: only its SHA-256, in hex, is asked about. */
export const VerifyKeysBody = Type.Object(
  {
    key_sha256: Type.Array(Type.String({ pattern: "^[0-9a-f]{64}$" }), {
      minItems: 1,
      maxItems: maxVerifyBatch,
    }),
  },
  { additionalProperties: false },
);
export type VerifyKeysBody = Static<typeof VerifyKeysBody>;

/**
 * A key with its tenant, as of one moment. `version` is the number of the latest change to either of them: a
 * change with a higher number that names the key or the tenant makes the record out of date.
 */
export const KeyRecord = Type.Object({
  key_id: Id,
  tenant_id: Id,
  mode: ModeSchema,
  scopes: Type.Array(ScopeSchema),
  expires_at: nullable(Timestamp),
  status: oneOf(["active", "revoked"]),
  tenant_status: oneOf(["active", "suspended"]),
  limits: TenantLimitsSchema,
  version: Type.Integer({ minimum: 0 }),
});
export type KeyRecord = Static<typeof KeyRecord>;

/** `valid_for_ms` is the time to the key's expiry by the database's clock; null without one. */
export const VerifiedKey = Type.Object({ record: KeyRecord, valid_for_ms: nullable(Type.Integer()) });
export type VerifiedKey = Static<typeof VerifiedKey>;

/** In the order asked; null stands for a key that was never made. */
export const VerifyKeysAnswer = Type.Object({ keys: Type.Array(nullable(VerifiedKey)) });
export type VerifyKeysAnswer = Static<typeof VerifyKeysAnswer>;

/** `GET /internal/v1/tenants/:id`. */
export const InternalTenant = Type.Object({
  tenant_id: Id,
  name: Type.String(),
  email: Type.String(),
  status: oneOf(["active", "suspended"]),
  limits: TenantLimitsSchema,
  created_at: Timestamp,
});
export type InternalTenant = Static<typeof InternalTenant>;
