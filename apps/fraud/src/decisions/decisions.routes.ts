import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { DecisionResponse, toDecisionResponse } from "./decisions.contract.ts";
import { type GetDecision, getDecision } from "./get-decision.ts";

/** Reading why a payment was decided as it was. */
export const decisionRoutes = (http: Http, deps: GetDecision) =>
  http.routes("decisions").get(
    "/fraud/decisions/:payment_id",
    async ({ tenant, params }) => {
      const { decision, policy } = await getDecision(deps, tenant, params.payment_id);
      return toDecisionResponse(decision, policy);
    },
    {
      access: "fraud:read",
      params: Type.Object({ payment_id: Type.String() }, { additionalProperties: false }),
      detail: operation({
        summary: "The decision on a payment, with every rule's value and limit",
        responses: { 200: DecisionResponse },
      }),
    },
  );
