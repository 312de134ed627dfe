import type { ConsumerGroup } from "@payflow/contracts/events.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { deadLetterRoutes } from "@payflow/service-kit/bus/dead-letters.ts";
import type { Authenticator, RateLimiter } from "@payflow/service-kit/http/access.ts";
import { createHttp, createInternalHttp } from "@payflow/service-kit/http/server.ts";
import type { Logger } from "@payflow/service-kit/logging.ts";
import type { Metrics } from "@payflow/service-kit/metrics.ts";
import { balancesRoutes } from "./balances/balances.routes.ts";
import type { ReadBalances } from "./balances/read-balances.ts";
import { journalRoutes } from "./journal/journal.routes.ts";
import type { ReadTransactions } from "./journal/read-transactions.ts";
import { reconciliationRoutes } from "./reconciliation/reconciliation.routes.ts";
import type { RequestReconciliation } from "./reconciliation/request-reconciliation.ts";

export const ledgerGroup = "ledger" satisfies ConsumerGroup;

export interface ServerDependencies extends ReadBalances, ReadTransactions, RequestReconciliation {
  readonly authenticator: Authenticator;
  readonly rateLimiter?: RateLimiter;
  readonly adminToken: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "ledger", title: "PayFlow ledger", ...deps });
  return http
    .app()
    .use(balancesRoutes(http, deps))
    .use(journalRoutes(http, deps))
    .use(reconciliationRoutes(http, deps));
}

export interface InternalServerDependencies {
  readonly bus: EventBus;
  readonly internalSecret: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The internal API, not listening yet. */
export function createInternalServer({ bus, ...deps }: InternalServerDependencies) {
  const http = createInternalHttp({ service: "ledger", title: "PayFlow ledger, internal", ...deps });
  return http.app().use(deadLetterRoutes(http, { bus, group: ledgerGroup }));
}
