import {
  createHttp,
  createInternalHttp,
  type InternalParts,
  type PublicParts,
} from "@payflow/service-kit/http/server.ts";
import { apiKeyRoutes } from "./api-keys/api-keys.routes.ts";
import type { ManageKeys } from "./api-keys/manage-keys.ts";
import { type GovernedRoutes, governedRoutes } from "./governed/governed.routes.ts";
import type { GovernTenant } from "./tenants/govern-tenant.ts";
import { governRoutes, type TenantRoutes, tenantRoutes } from "./tenants/tenants.routes.ts";
import { verificationRoutes } from "./verification/verification.routes.ts";
import type { VerifyKeys } from "./verification/verify-keys.ts";

export interface ServerDependencies
  extends Omit<PublicParts, "rateLimiter">,
    TenantRoutes,
    GovernTenant,
    ManageKeys {}

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "tenant", title: "PayFlow tenant", ...deps });
  return http.app().use(tenantRoutes(http, deps)).use(governRoutes(http, deps)).use(apiKeyRoutes(http, deps));
}

export interface InternalServerDependencies extends InternalParts, VerifyKeys, GovernedRoutes {}

/** The internal API, not listening yet. */
export function createInternalServer(deps: InternalServerDependencies) {
  const http = createInternalHttp({ service: "tenant", title: "PayFlow tenant, internal", ...deps });
  return http.app().use(verificationRoutes(http, deps)).use(governedRoutes(http, deps));
}
