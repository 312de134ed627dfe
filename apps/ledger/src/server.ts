import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { deadLetterRoutes } from "@payflow/service-kit/bus/dead-letters.ts";
import {
  createHttp,
  createInternalHttp,
  type InternalParts,
  type PublicParts,
} from "@payflow/service-kit/http/server.ts";
import { balancesRoutes } from "./balances/balances.routes.ts";
import type { ReadBalances } from "./balances/read-balances.ts";
import { journalRoutes } from "./journal/journal.routes.ts";
import type { ReadTransactions } from "./journal/read-transactions.ts";
import { reconciliationRoutes } from "./reconciliation/reconciliation.routes.ts";
import type { RequestReconciliation } from "./reconciliation/request-reconciliation.ts";

export interface ServerDependencies
  extends PublicParts,
    ReadBalances,
    ReadTransactions,
    RequestReconciliation {}

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "ledger", title: "PayFlow ledger", ...deps });
  return http
    .app()
    .use(balancesRoutes(http, deps))
    .use(journalRoutes(http, deps))
    .use(reconciliationRoutes(http, deps));
}

export interface InternalServerDependencies extends InternalParts {
  readonly bus: EventBus;
}

/** The internal API, not listening yet. */
export function createInternalServer({ bus, ...deps }: InternalServerDependencies) {
  const http = createInternalHttp({ service: "ledger", title: "PayFlow ledger, internal", ...deps });
  return http.app().use(deadLetterRoutes(http, { bus, group: "ledger" }));
}
