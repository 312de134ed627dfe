import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { type InternalTenant, VerifyKeysBody, verifyKeysPath } from "@payflow/contracts/internal-tenant.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { toTenant } from "../tenants/tenants.contract.ts";
import type { TenantStore } from "../tenants/tenants.store.ts";
import { type VerifyKeys, verifyKeys } from "./verify-keys.ts";

export interface VerificationRoutes extends VerifyKeys {
  readonly tenants: Pick<TenantStore, "find">;
}

/** What the other apps ask. */
export const verificationRoutes = (http: Http, deps: VerificationRoutes) =>
  http
    .routes("verification")
    .post(verifyKeysPath, async ({ body }) => ({ keys: await verifyKeys(deps, body.key_sha256) }), {
      access: "internal",
      body: VerifyKeysBody,
    })
    .get(
      "/internal/v1/tenants/:id",
      async ({ params }): Promise<InternalTenant> => {
        const row = isId("ten", params.id) ? await deps.tenants.find(params.id) : undefined;
        if (row === undefined) throw new DomainError("not_found");
        return toTenant(row);
      },
      { access: "internal", params: Type.Object({ id: Type.String() }) },
    );
