import { type TenantLimits, TenantLimitsSchema } from "@payflow/contracts/access.ts";
import { Currency, Email, Name, nullable, oneOf, Timestamp, Url } from "@payflow/contracts/fields.ts";
import { TenantModeSchema } from "@payflow/contracts/internal-tenant.ts";
import { pageQuery } from "@payflow/service-kit/store/paging.ts";
import { type Static, Type } from "@sinclair/typebox";
import type { TenantRow } from "../schema.ts";

const strict = { additionalProperties: false };
const TenantId = Type.String({ description: "The tenant's id, `ten_…`." });

export const RegisterBody = Type.Object({ name: Name, email: Email }, strict);
export type RegisterBody = Static<typeof RegisterBody>;

export const RegisterResponse = Type.Object({
  tenant_id: TenantId,
  name: Name,
  email: Email,
  api_key: Type.String({ description: "The live key, shown only here." }),
  test_api_key: Type.String({ description: "The test key, shown only here." }),
  created_at: Timestamp,
});

export const UpdateTenantBody = Type.Object(
  { name: Type.Optional(Name), email: Type.Optional(Email) },
  { ...strict, minProperties: 1 },
);
export type UpdateTenantBody = Static<typeof UpdateTenantBody>;

export const LimitsBody = TenantLimitsSchema;

export const TenantResponse = Type.Object({
  tenant_id: TenantId,
  name: Name,
  email: Email,
  status: oneOf(["active", "suspended"]),
  limits: TenantLimitsSchema,
  mode: TenantModeSchema,
  currency: nullable(Currency),
  managed_by: nullable(oneOf(["kubernetes"], "A tenant made by a resource is changed by it alone.")),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type TenantResponse = Static<typeof TenantResponse>;

export const TenantsQuery = Type.Object(pageQuery, strict);
export type TenantsQuery = Static<typeof TenantsQuery>;

export const TenantsResponse = Type.Object({
  data: Type.Array(TenantResponse),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
});

export const TenantParams = Type.Object({ id: TenantId });
export const NoBody = Type.Object({}, strict);

export const WebhookBody = Type.Object({ url: Url }, strict);
export const WebhookResponse = Type.Object({
  endpoint_id: Type.String(),
  url: Type.String(),
  signing_secret: Type.Optional(Type.String({ description: "Only when the endpoint was first made." })),
});

/** A tenant's limits as the API shows them; amounts in minor units. */
export function limitsOf(row: TenantRow): TenantLimits {
  return {
    requests_per_second: row.requestsPerSecond,
    burst: row.burst,
    events_per_second: row.eventsPerSecond,
    monthly_events: row.monthlyEvents,
    max_payment_amount: row.maxPaymentAmount,
  };
}

/** A tenant as the API shows it. */
export function toTenant(row: TenantRow): TenantResponse {
  return {
    tenant_id: row.tenantId,
    name: row.name,
    email: row.email,
    status: row.status,
    limits: limitsOf(row),
    mode: row.mode,
    currency: row.currency,
    managed_by: row.managedBy,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
