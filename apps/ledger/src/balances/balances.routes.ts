import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { AccountsQuery, AccountsResponse, BalanceQuery, BalanceResponse } from "./balances.contract.ts";
import { listAccounts, type ReadBalances, readBalance } from "./read-balances.ts";

export const balancesRoutes = (http: Http, deps: ReadBalances) =>
  http
    .routes("balances")
    .get("/ledger/balance", ({ tenant, query }) => readBalance(deps, tenant, query.currency), {
      access: "ledger:read",
      query: BalanceQuery,
      detail: operation({
        summary: "Read the balance",
        description: "What the platform owes the tenant: captures less refunds.",
        responses: { 200: BalanceResponse },
      }),
    })
    .get("/ledger/accounts", ({ tenant, query }) => listAccounts(deps, tenant, query), {
      access: "ledger:read",
      query: AccountsQuery,
      detail: operation({
        summary: "List accounts",
        responses: { 200: AccountsResponse },
        problems: ["invalid_cursor"],
      }),
    });
