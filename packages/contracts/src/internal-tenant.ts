import { type Static, Type } from "@sinclair/typebox";
import { ModeSchema, ScopeSchema, TenantLimitsSchema } from "./access.ts";
import { nullable, oneOf, Timestamp } from "./fields.ts";

const Id = Type.String({ minLength: 1, maxLength: 100 });

/** `POST /internal/v1/keys/verify`: what a key stands for, or 404 for a key that was never made. */
export const verifyKeyPath = "/internal/v1/keys/verify";

/** The key itself never leaves the process it was sent to: only its SHA-256, in hex, is asked about. */
export const VerifyKeyBody = Type.Object(
  { key_sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }) },
  { additionalProperties: false },
);
export type VerifyKeyBody = Static<typeof VerifyKeyBody>;

/**
 * A key with its tenant, as of one moment. `version` is the number of the latest change to either of them: a change
 * with a higher number that names the key or the tenant makes the record out of date.
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

/** The answer: `valid_for_ms` is the time to the key's expiry by the database's clock, null without an expiry. */
export const VerifyKeyAnswer = Type.Object({
  record: KeyRecord,
  valid_for_ms: nullable(Type.Integer()),
});
export type VerifyKeyAnswer = Static<typeof VerifyKeyAnswer>;

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
