import { holdsAdminToken } from "@payflow/service-kit/http/access.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { type AdmitRegistration, admitRegistration } from "./admit-registration.ts";
import { type GovernTenant, listTenants, resumeTenant, setLimits, suspendTenant } from "./govern-tenant.ts";
import { readTenant } from "./read-tenant.ts";
import { type RegisterTenant, registerTenant } from "./register-tenant.ts";
import { type SetWebhook, setWebhook } from "./set-webhook.ts";
import {
  LimitsBody,
  NoBody,
  RegisterBody,
  RegisterResponse,
  TenantParams,
  TenantResponse,
  TenantsQuery,
  TenantsResponse,
  toTenant,
  UpdateTenantBody,
  WebhookBody,
  WebhookResponse,
} from "./tenants.contract.ts";
import { type UpdateTenant, updateTenant } from "./update-tenant.ts";

export interface TenantRoutes extends AdmitRegistration, RegisterTenant, UpdateTenant, SetWebhook {
  /** Who may register: anybody, or the holder of the admin token. */
  readonly registration: "open" | "admin";
  readonly adminToken: string;
}

export const tenantRoutes = (http: Http, deps: TenantRoutes) =>
  http
    .routes("tenants")
    .post(
      "/tenants/register",
      async ({ body, request, requestId, set }) => {
        // The admin's own registrations take nothing from what is left for the others.
        const isAdmin = holdsAdminToken(request, deps.adminToken);
        if (!isAdmin) Object.assign(set.headers, await admitRegistration(deps));
        const { tenant, liveKey, testKey } = await registerTenant(deps, body, requestId);
        set.status = 201;
        return {
          tenant_id: tenant.tenantId,
          name: tenant.name,
          email: tenant.email,
          api_key: liveKey,
          test_api_key: testKey,
          created_at: tenant.createdAt.toISOString(),
        };
      },
      {
        access: deps.registration === "admin" ? "admin" : "public",
        body: RegisterBody,
        detail: operation({
          summary: "Register a tenant",
          description:
            "Where anybody may register, all callers share one allowance a minute; the admin token is not limited.",
          responses: { 201: RegisterResponse },
          problems: ["rate_limited"],
        }),
      },
    )
    .get("/tenants/me", async ({ tenant }) => toTenant(await readTenant(deps, tenant.tenantId)), {
      access: "tenant",
      detail: operation({ summary: "Read the key's tenant", responses: { 200: TenantResponse } }),
    })
    .patch("/tenants/me", async ({ tenant, body }) => toTenant(await updateTenant(deps, tenant, body)), {
      access: "keys:write",
      body: UpdateTenantBody,
      detail: operation({
        summary: "Change name or address",
        responses: { 200: TenantResponse },
        problems: ["managed_by_kubernetes"],
      }),
    })
    .put(
      "/tenants/:id/webhook",
      ({ tenant, params, body }) => setWebhook(deps, tenant, params.id, body.url),
      {
        access: "webhooks:write",
        params: TenantParams,
        body: WebhookBody,
        detail: operation({
          summary: "Set the default webhook endpoint",
          description: "For all events of the key's mode. Every event after the answer is delivered there.",
          responses: { 200: WebhookResponse },
          problems: ["not_found", "limit_reached", "unavailable"],
        }),
      },
    );

/** The routes of the platform's owner. */
export const governRoutes = (http: Http, deps: GovernTenant) =>
  http
    .routes("tenants-admin")
    .get("/tenants", ({ query }) => listTenants(deps, query), {
      access: "admin",
      query: TenantsQuery,
      detail: operation({
        summary: "List tenants, newest first",
        responses: { 200: TenantsResponse },
        problems: ["invalid_cursor"],
      }),
    })
    .post(
      "/tenants/:id/suspend",
      async ({ params, requestId }) => toTenant(await suspendTenant(deps, params.id, requestId)),
      {
        access: "admin",
        params: TenantParams,
        body: NoBody,
        detail: operation({
          summary: "Suspend a tenant",
          description: "Its keys are refused everywhere within a second.",
          responses: { 200: TenantResponse },
          problems: ["not_found", "managed_by_kubernetes"],
        }),
      },
    )
    .post(
      "/tenants/:id/resume",
      async ({ params, requestId }) => toTenant(await resumeTenant(deps, params.id, requestId)),
      {
        access: "admin",
        params: TenantParams,
        body: NoBody,
        detail: operation({
          summary: "Resume a tenant",
          responses: { 200: TenantResponse },
          problems: ["not_found", "managed_by_kubernetes"],
        }),
      },
    )
    .put(
      "/tenants/:id/limits",
      async ({ params, body, requestId }) => toTenant(await setLimits(deps, params.id, body, requestId)),
      {
        access: "admin",
        params: TenantParams,
        body: LimitsBody,
        detail: operation({
          summary: "Set a tenant's limits",
          description: "Counts everywhere within a second. Amounts in the currency's smallest unit.",
          responses: { 200: TenantResponse },
          problems: ["not_found", "managed_by_kubernetes"],
        }),
      },
    );
