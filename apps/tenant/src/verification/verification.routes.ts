import { type InternalTenant, VerifyKeysBody, verifyKeysPath } from "@payflow/contracts/internal-tenant.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { type ReadTenant, readTenant } from "../tenants/read-tenant.ts";
import { toTenant } from "../tenants/tenants.contract.ts";
import { type VerifyKeys, verifyKeys } from "./verify-keys.ts";

export interface VerificationRoutes extends VerifyKeys, ReadTenant {}

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
        return toTenant(await readTenant(deps, params.id));
      },
      { access: "internal", params: Type.Object({ id: Type.String() }) },
    );
