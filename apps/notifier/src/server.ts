import type { ConsumerGroup } from "@payflow/contracts/events.ts";
import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { deadLetterRoutes } from "@payflow/service-kit/bus/dead-letters.ts";
import type { Authenticator, RateLimiter } from "@payflow/service-kit/http/access.ts";
import { createHttp, createInternalHttp } from "@payflow/service-kit/http/server.ts";
import type { Logger } from "@payflow/service-kit/logging.ts";
import type { Metrics } from "@payflow/service-kit/metrics.ts";
import { type DeliveriesRoutes, deliveriesRoutes } from "./deliveries/deliveries.routes.ts";
import { type EndpointsRoutes, endpointsRoutes } from "./endpoints/endpoints.routes.ts";
import { internalEndpointsRoutes } from "./endpoints/internal-endpoints.routes.ts";
import type { PutDefaultEndpoint } from "./endpoints/put-default-endpoint.ts";

export const notifierGroup = "notifier" satisfies ConsumerGroup;

export interface ServerDependencies extends EndpointsRoutes, DeliveriesRoutes {
  readonly authenticator: Authenticator;
  readonly rateLimiter?: RateLimiter;
  readonly adminToken: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "notifier", title: "PayFlow notifier", ...deps });
  return http.app().use(endpointsRoutes(http, deps)).use(deliveriesRoutes(http, deps));
}

export interface InternalServerDependencies extends PutDefaultEndpoint {
  readonly bus: EventBus;
  readonly internalSecret: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The internal API, not listening yet. */
export function createInternalServer({ bus, ...deps }: InternalServerDependencies) {
  const http = createInternalHttp({ service: "notifier", title: "PayFlow notifier, internal", ...deps });
  return http
    .app()
    .use(internalEndpointsRoutes(http, deps))
    .use(deadLetterRoutes(http, { bus, group: notifierGroup }));
}
