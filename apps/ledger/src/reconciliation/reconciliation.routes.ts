import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import {
  ReconciliationDetailResponse,
  ReconciliationParams,
  ReconciliationRequest,
  ReconciliationResponse,
  ReconciliationsQuery,
  ReconciliationsResponse,
} from "./reconciliation.contract.ts";
import {
  listReconciliations,
  type RequestReconciliation,
  readReconciliation,
  requestReconciliation,
} from "./request-reconciliation.ts";

export const reconciliationRoutes = (http: Http, deps: RequestReconciliation) =>
  http
    .routes("reconciliation")
    .post(
      "/ledger/reconciliations",
      async ({ body, set }) => {
        set.status = 202;
        return requestReconciliation(deps, body);
      },
      {
        access: "admin",
        body: ReconciliationRequest,
        detail: operation({
          summary: "Compare the journal with payment",
          responses: { 202: ReconciliationResponse },
        }),
      },
    )
    .get("/ledger/reconciliations", ({ query }) => listReconciliations(deps, query), {
      access: "admin",
      query: ReconciliationsQuery,
      detail: operation({
        summary: "List reconciliations, newest first",
        responses: { 200: ReconciliationsResponse },
        problems: ["invalid_cursor"],
      }),
    })
    .get("/ledger/reconciliations/:id", ({ params, query }) => readReconciliation(deps, params.id, query), {
      access: "admin",
      params: ReconciliationParams,
      query: ReconciliationsQuery,
      detail: operation({
        summary: "Read a reconciliation and what it found",
        responses: { 200: ReconciliationDetailResponse },
        problems: ["not_found", "invalid_cursor"],
      }),
    });
