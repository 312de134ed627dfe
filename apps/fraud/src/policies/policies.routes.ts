import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { type ChangePolicy, getPolicy, putPolicy } from "./change-policy.ts";
import { PolicyRequest, PolicyResponse } from "./policies.contract.ts";

/** Reading and replacing a tenant's fraud policy. */
export const policyRoutes = (http: Http, deps: ChangePolicy) =>
  http
    .routes("policies")
    .get("/fraud/policy", ({ tenant }) => getPolicy(deps, tenant), {
      access: "fraud:read",
      detail: operation({ summary: "The fraud policy in force", responses: { 200: PolicyResponse } }),
    })
    .put("/fraud/policy", ({ tenant, body }) => putPolicy(deps, tenant, body), {
      access: "fraud:write",
      body: PolicyRequest,
      detail: operation({
        summary: "Replace the fraud policy",
        description:
          "In effect on every replica within a second. It holds for the key's mode alone. " +
          "What is left out takes its default; the answer shows the policy complete.",
        responses: { 200: PolicyResponse },
        problems: ["managed_by_kubernetes"],
      }),
    });
