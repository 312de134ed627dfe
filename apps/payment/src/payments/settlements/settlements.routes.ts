import {
  SettlementsFound,
  SettlementsLookup,
  SettlementsPage,
  SettlementsQuery,
  TenantPaymentsAnswer,
} from "@payflow/contracts/internal-payment.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import {
  lookUpSettlements,
  type ReadSettlements,
  readSettlements,
  readTenantPayments,
} from "./read-settlements.ts";

/** The internal routes by which ledger compares its journal with what payment holds. */
export const settlementRoutes = (http: Http, deps: ReadSettlements) =>
  http
    .routes("settlements")
    .get("/internal/v1/settlements", ({ query }) => readSettlements(deps, query), {
      access: "internal",
      query: SettlementsQuery,
      detail: operation({
        summary: "Payments and refunds by the time they were settled",
        responses: { 200: SettlementsPage },
        problems: ["invalid_cursor"],
      }),
    })
    .post("/internal/v1/settlements/lookup", ({ body }) => lookUpSettlements(deps, body.ids), {
      access: "internal",
      body: SettlementsLookup,
      detail: operation({ summary: "Payments and refunds by id", responses: { 200: SettlementsFound } }),
    })
    .get(
      "/internal/v1/tenants/:tenant/payments/:mode",
      ({ params }) => readTenantPayments(deps, params.tenant, params.mode),
      {
        access: "internal",
        detail: operation({
          summary: "Whether a tenant has payments in a mode",
          responses: { 200: TenantPaymentsAnswer },
          problems: ["not_found"],
        }),
      },
    );
