import type { ConsumerGroup } from "@payflow/contracts/events.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { deadLetterRoutes } from "@payflow/service-kit/bus/dead-letters.ts";
import type { Authenticator, RateLimiter } from "@payflow/service-kit/http/access.ts";
import { createHttp, createInternalHttp } from "@payflow/service-kit/http/server.ts";
import type { Logger } from "@payflow/service-kit/logging.ts";
import type { Metrics } from "@payflow/service-kit/metrics.ts";
import { decisionRoutes } from "./decisions/decisions.routes.ts";
import type { GetDecision } from "./decisions/get-decision.ts";
import { flagRoutes } from "./flags/flags.routes.ts";
import type { ListFlags } from "./flags/list-flags.ts";
import type { ChangePolicy } from "./policies/change-policy.ts";
import { policyRoutes } from "./policies/policies.routes.ts";
import { type ScoresRoutes, scoresRoutes } from "./scoring/scores.routes.ts";

export const fraudGroup = "fraud" satisfies ConsumerGroup;

export interface ServerDependencies extends GetDecision, ChangePolicy, ListFlags {
  readonly authenticator: Authenticator;
  readonly rateLimiter?: RateLimiter;
  readonly adminToken: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "fraud", title: "PayFlow fraud", ...deps });
  return http.app().use(decisionRoutes(http, deps)).use(policyRoutes(http, deps)).use(flagRoutes(http, deps));
}

export interface InternalServerDependencies extends ScoresRoutes {
  readonly bus: EventBus;
  readonly internalSecret: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The internal API, not listening yet. */
export function createInternalServer({ bus, ...deps }: InternalServerDependencies) {
  const http = createInternalHttp({ service: "fraud", title: "PayFlow fraud, internal", ...deps });
  return http
    .app()
    .use(scoresRoutes(http, deps))
    .use(deadLetterRoutes(http, { bus, group: fraudGroup }));
}
