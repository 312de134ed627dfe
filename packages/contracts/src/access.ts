import { type Static, Type } from "@sinclair/typebox";

/** Everything a tenant's key may be allowed to do. */
export const scopes = [
  "payments:read",
  "payments:write",
  "refunds:write",
  "ledger:read",
  "webhooks:read",
  "webhooks:write",
  "fraud:read",
  "fraud:write",
  "events:read",
  "events:write",
  "keys:write",
] as const;

export type Scope = (typeof scopes)[number];
export const ScopeSchema = Type.Union(scopes.map((scope) => Type.Literal(scope)));

export const modes = ["live", "test"] as const;
export type Mode = (typeof modes)[number];
export const ModeSchema = Type.Union(modes.map((mode) => Type.Literal(mode)));

/** What a tenant may use. Rates are per second; `null` means without a limit. Amounts in minor units. */
export const TenantLimitsSchema = Type.Object(
  {
    requests_per_second: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: "Requests on average, those that bring events left out.",
    }),
    burst: Type.Integer({ minimum: 1, maximum: 2_000_000, description: "Requests at once." }),
    events_per_second: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: "Events on average. At once it is 10,000 at least, so that the largest body can be sent.",
    }),
    monthly_events: Type.Union([Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 }), Type.Null()], {
      description: "Events stored in a calendar month in UTC, over both modes; null without a limit.",
    }),
    max_payment_amount: Type.Union([Type.Integer({ minimum: 1, maximum: 999_999_999_999 }), Type.Null()], {
      description: "Of one payment, in the currency's smallest unit; null without a limit.",
    }),
  },
  { additionalProperties: false },
);
export type TenantLimits = Static<typeof TenantLimitsSchema>;

export const defaultLimits: TenantLimits = {
  requests_per_second: 1_000,
  burst: 2_000,
  events_per_second: 10_000,
  monthly_events: null,
  max_payment_amount: null,
};

/** Who asks: taken from the key alone, never from the request's body. */
export interface TenantContext {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly keyId: string;
  readonly scopes: readonly Scope[];
  readonly limits: TenantLimits;
  /** What amounts are shown in where no currency is asked for; null where the tenant has none of its own. */
  readonly currency?: string | null;
  readonly requestId: string;
  readonly traceparent?: string;
}
