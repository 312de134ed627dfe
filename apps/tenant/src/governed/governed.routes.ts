import { readGovernor } from "@payflow/contracts/internal-operator.ts";
import {
  DeleteTenantQuery,
  GovernedKey,
  InternalTenant,
  PutKeyBody,
  PutTenantBody,
} from "@payflow/contracts/internal-tenant.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { type DeleteTenant, deleteTenant } from "./delete-tenant.ts";
import { type PutKey, putKey, revokeKey } from "./put-key.ts";
import { putTenant, readInternalTenant } from "./put-tenant.ts";

export interface GovernedRoutes extends PutKey, DeleteTenant {}

const tenantPath = "/internal/v1/tenants/:id";
const keyPath = `${tenantPath}/keys/:keyId` as const;
const TenantParams = Type.Object({ id: Type.String() });
const KeyParams = Type.Object({ id: Type.String(), keyId: Type.String() });
const refusals = ["stale_leader", "stale_generation", "governed_by_another", "invalid_state"] as const;

/** What the operator makes of Tenant resources. */
export const governedRoutes = (http: Http, deps: GovernedRoutes) =>
  http
    .routes("governed")
    .get(tenantPath, ({ params }) => readInternalTenant(deps, params.id), {
      access: "internal or operator",
      params: TenantParams,
      detail: operation({ summary: "Read a tenant", responses: { 200: InternalTenant } }),
    })
    .put(
      tenantPath,
      ({ params, body, request, requestId }) =>
        putTenant(deps, readGovernor(request.headers), params.id, body, requestId),
      {
        access: "operator",
        params: TenantParams,
        body: PutTenantBody,
        detail: operation({
          summary: "Make a tenant what its resource says",
          responses: { 200: InternalTenant },
          problems: [...refusals, "immutable_field"],
        }),
      },
    )
    .delete(
      tenantPath,
      async ({ params, query, request, requestId, set }) => {
        const governor = readGovernor(request.headers);
        const tenant = await deleteTenant(deps, governor, params.id, query.policy, requestId);
        if (tenant.state === "closing") {
          set.status = 202;
          set.headers["retry-after"] = "2";
        }
        return tenant;
      },
      {
        access: "operator",
        params: TenantParams,
        query: DeleteTenantQuery,
        detail: operation({
          summary: "End what a tenant's resource governed",
          responses: { 200: InternalTenant, 202: InternalTenant },
          problems: [...refusals, "tenant_has_payments", "not_found"],
        }),
      },
    )
    .put(
      keyPath,
      ({ params, body, request }) =>
        putKey(deps, readGovernor(request.headers), { tenantId: params.id, keyId: params.keyId }, body),
      {
        access: "operator",
        params: KeyParams,
        body: PutKeyBody,
        detail: operation({
          summary: "Register a key by its hash, or set its end",
          responses: { 200: GovernedKey },
          problems: [...refusals, "limit_reached", "not_found"],
        }),
      },
    )
    .delete(
      keyPath,
      async ({ params, request }) => {
        const governor = readGovernor(request.headers);
        await revokeKey(deps, governor, { tenantId: params.id, keyId: params.keyId });
        return new Response(null, { status: 204 });
      },
      {
        access: "operator",
        params: KeyParams,
        detail: operation({
          summary: "Revoke a key",
          responses: { 204: null },
          problems: [...refusals, "not_found"],
        }),
      },
    );
