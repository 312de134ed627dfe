import { VerifyKeysBody, verifyKeysPath } from "@payflow/contracts/internal-tenant.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { type VerifyKeys, verifyKeys } from "./verify-keys.ts";

/** What the other apps ask. */
export const verificationRoutes = (http: Http, deps: VerifyKeys) =>
  http
    .routes("verification")
    .post(verifyKeysPath, async ({ body }) => ({ keys: await verifyKeys(deps, body.key_sha256) }), {
      access: "internal",
      body: VerifyKeysBody,
    });
