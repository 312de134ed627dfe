import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { deadLetterRoutes } from "@payflow/service-kit/bus/dead-letters.ts";
import {
  createHttp,
  createInternalHttp,
  type InternalParts,
  type PublicParts,
} from "@payflow/service-kit/http/server.ts";
import { decisionRoutes } from "./decisions/decisions.routes.ts";
import type { GetDecision } from "./decisions/get-decision.ts";
import { flagRoutes } from "./flags/flags.routes.ts";
import type { ListFlags } from "./flags/list-flags.ts";
import type { ChangePolicy } from "./policies/change-policy.ts";
import { governedRoutes } from "./policies/governed/governed.routes.ts";
import type { GovernPolicy } from "./policies/governed/put-governed-policy.ts";
import { policyRoutes } from "./policies/policies.routes.ts";
import { type ScoresRoutes, scoresRoutes } from "./scoring/scores.routes.ts";

export interface ServerDependencies extends PublicParts, GetDecision, ChangePolicy, ListFlags {}

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "fraud", title: "PayFlow fraud", ...deps });
  return http.app().use(decisionRoutes(http, deps)).use(policyRoutes(http, deps)).use(flagRoutes(http, deps));
}

export interface InternalServerDependencies extends InternalParts, ScoresRoutes, GovernPolicy {
  readonly bus: EventBus;
}

/** The internal API, not listening yet. */
export function createInternalServer({ bus, ...deps }: InternalServerDependencies) {
  const http = createInternalHttp({ service: "fraud", title: "PayFlow fraud, internal", ...deps });
  return http
    .app()
    .use(scoresRoutes(http, deps))
    .use(governedRoutes(http, deps))
    .use(deadLetterRoutes(http, { bus, group: "fraud" }));
}
