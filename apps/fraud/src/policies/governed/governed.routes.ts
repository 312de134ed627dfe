import { InternalPolicy, PolicyTenantsBody, PutPolicyBody } from "@payflow/contracts/internal-fraud.ts";
import { readGovernor } from "@payflow/contracts/internal-operator.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import {
  assignTenants,
  deleteGovernedPolicy,
  type GovernPolicy,
  putGovernedPolicy,
  readInternalPolicy,
} from "./put-governed-policy.ts";

const path = "/internal/v1/fraud-policies/:id";
const Params = Type.Object({ id: Type.String() });
const refusals = ["stale_leader", "stale_generation", "governed_by_another", "invalid_state"] as const;

/** What the operator makes of FraudPolicy resources. */
export const governedRoutes = (http: Http, deps: GovernPolicy) =>
  http
    .routes("governed")
    .get(path, ({ params }) => readInternalPolicy(deps, params.id), {
      access: "operator",
      params: Params,
      detail: operation({
        summary: "Read a resource's policy",
        responses: { 200: InternalPolicy },
        problems: ["not_found"],
      }),
    })
    .put(
      path,
      ({ params, body, request }) => putGovernedPolicy(deps, readGovernor(request.headers), params.id, body),
      {
        access: "operator",
        params: Params,
        body: PutPolicyBody,
        detail: operation({
          summary: "Put what a resource says into force",
          responses: { 200: InternalPolicy },
          problems: [...refusals, "policy_test_failed"],
        }),
      },
    )
    .put(
      `${path}/tenants`,
      async ({ params, body, request }) => {
        await assignTenants(deps, readGovernor(request.headers), params.id, body);
        return new Response(null, { status: 204 });
      },
      {
        access: "operator",
        params: Params,
        body: PolicyTenantsBody,
        detail: operation({
          summary: "Set the tenants that a policy governs",
          responses: { 204: null },
          problems: [...refusals],
        }),
      },
    )
    .delete(
      path,
      async ({ params, request }) => {
        await deleteGovernedPolicy(deps, readGovernor(request.headers), params.id);
        return new Response(null, { status: 204 });
      },
      {
        access: "operator",
        params: Params,
        detail: operation({
          summary: "Let go of a policy and its tenants",
          responses: { 204: null },
          problems: [...refusals],
        }),
      },
    );
