import { type Static, Type } from "@sinclair/typebox";
import { ModeSchema, ScopeSchema, scopes, TenantLimitsSchema } from "./access.ts";
import { Currency, Email, Name, nullable, oneOf, Timestamp } from "./fields.ts";

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
  /** What amounts are shown in where no currency is asked for; it never changes. */
  currency: Type.Optional(nullable(Currency)),
  version: Type.Integer({ minimum: 0 }),
});
export type KeyRecord = Static<typeof KeyRecord>;

/** `valid_for_ms` is the time to the key's expiry by the database's clock; null without one. */
export const VerifiedKey = Type.Object({ record: KeyRecord, valid_for_ms: nullable(Type.Integer()) });
export type VerifiedKey = Static<typeof VerifiedKey>;

/** In the order asked; null stands for a key that was never made. */
export const VerifyKeysAnswer = Type.Object({ keys: Type.Array(nullable(VerifiedKey)) });
export type VerifyKeysAnswer = Static<typeof VerifyKeysAnswer>;

const strict = { additionalProperties: false };

/** Which modes a tenant has keys in. */
export const TenantModeSchema = oneOf(["test", "live", "both"]);
export type TenantMode = Static<typeof TenantModeSchema>;

/**
 * What becomes of a tenant whose resource is deleted. `retain`: it stays as it is, and REST governs it from
 * then on. `archive`: it is suspended for good, its keys are revoked, its records stay. `purge`: the same,
 * and what is known of it is erased; refused with `tenant_has_payments` where it has live payments.
 */
const DeletionPolicySchema = oneOf(["retain", "archive", "purge"]);
export type DeletionPolicy = Static<typeof DeletionPolicySchema>;

/** `PUT /internal/v1/tenants/:id`: all that a Tenant resource says. `mode` and `currency` never change. */
export const PutTenantBody = Type.Object(
  {
    name: Name,
    email: Email,
    mode: TenantModeSchema,
    currency: Currency,
    limits: TenantLimitsSchema,
    suspended: Type.Boolean(),
    deletion_policy: DeletionPolicySchema,
  },
  strict,
);
export type PutTenantBody = Static<typeof PutTenantBody>;

/** `DELETE /internal/v1/tenants/:id`; without a policy the last one that was put holds. */
export const DeleteTenantQuery = Type.Object({ policy: Type.Optional(DeletionPolicySchema) }, strict);

/** A key that the operator made may be next, current or previous: in each mode no more than three work. */
export const maxGovernedKeys = 3;

/**
 * `PUT /internal/v1/tenants/:id/keys/:keyId`: a key, of which only the SHA-256 leaves the operator, and until
 * when it works. A key that has expired does not come to life again.
 */
export const PutKeyBody = Type.Object(
  {
    key_sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    mode: ModeSchema,
    name: Name,
    scopes: Type.Array(ScopeSchema, { minItems: 1, maxItems: scopes.length, uniqueItems: true }),
    expires_at: nullable(Timestamp),
  },
  strict,
);
export type PutKeyBody = Static<typeof PutKeyBody>;

/** A key that the operator made. `is_active`: neither expired nor revoked, by the database's clock. */
export const GovernedKey = Type.Object({
  key_id: Id,
  mode: ModeSchema,
  name: Type.String(),
  scopes: Type.Array(ScopeSchema),
  expires_at: nullable(Timestamp),
  is_active: Type.Boolean(),
  last_used_at: nullable(Timestamp),
  created_at: Timestamp,
});
export type GovernedKey = Static<typeof GovernedKey>;

/** `closing`: purged once no key of it can be in use any more; delete it again after `Retry-After`. */
const TenantStateSchema = oneOf(["open", "closing", "archived", "purged"]);

/**
 * `GET /internal/v1/tenants/:id`. `keys` are those the operator made; revoked ones, and those that ended more
 * than an hour ago, are left out.
 */
export const InternalTenant = Type.Object({
  tenant_id: Id,
  name: Type.String(),
  email: Type.String(),
  status: oneOf(["active", "suspended"]),
  state: TenantStateSchema,
  limits: TenantLimitsSchema,
  mode: TenantModeSchema,
  currency: nullable(Currency),
  managed_by: nullable(oneOf(["kubernetes"])),
  generation: nullable(Type.Integer()),
  deletion_policy: nullable(DeletionPolicySchema),
  keys: Type.Array(GovernedKey),
  created_at: Timestamp,
});
export type InternalTenant = Static<typeof InternalTenant>;

export const internalTenantPath = (tenantId: string) => `/internal/v1/tenants/${tenantId}`;
export const governedKeyPath = (tenantId: string, keyId: string) =>
  `${internalTenantPath(tenantId)}/keys/${keyId}`;
