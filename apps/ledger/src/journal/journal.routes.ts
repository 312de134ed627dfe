import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import {
  TransactionParams,
  TransactionResponse,
  TransactionsQuery,
  TransactionsResponse,
  toTransaction,
} from "./journal.contract.ts";
import { listTransactions, type ReadTransactions, readTransaction } from "./read-transactions.ts";

export const journalRoutes = (http: Http, deps: ReadTransactions) =>
  http
    .routes("journal")
    .get("/ledger/transactions", ({ tenant, query }) => listTransactions(deps, tenant, query), {
      access: "ledger:read",
      query: TransactionsQuery,
      detail: operation({
        summary: "List movements, newest first",
        responses: { 200: TransactionsResponse },
        problems: ["invalid_cursor"],
      }),
    })
    .get(
      "/ledger/transactions/:id",
      async ({ tenant, params }) => toTransaction(await readTransaction(deps, tenant, params.id)),
      {
        access: "ledger:read",
        params: TransactionParams,
        detail: operation({
          summary: "Read a movement",
          responses: { 200: TransactionResponse },
          problems: ["not_found"],
        }),
      },
    );
