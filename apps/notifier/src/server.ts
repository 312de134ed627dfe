import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { deadLetterRoutes } from "@payflow/service-kit/bus/dead-letters.ts";
import {
  createHttp,
  createInternalHttp,
  type InternalParts,
  type PublicParts,
} from "@payflow/service-kit/http/server.ts";
import { type DeliveriesRoutes, deliveriesRoutes } from "./deliveries/deliveries.routes.ts";
import { type EndpointsRoutes, endpointsRoutes } from "./endpoints/endpoints.routes.ts";
import { internalEndpointsRoutes } from "./endpoints/internal-endpoints.routes.ts";
import type { PutDefaultEndpoint } from "./endpoints/put-default-endpoint.ts";

export interface ServerDependencies extends PublicParts, EndpointsRoutes, DeliveriesRoutes {}

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "notifier", title: "PayFlow notifier", ...deps });
  return http.app().use(endpointsRoutes(http, deps)).use(deliveriesRoutes(http, deps));
}

export interface InternalServerDependencies extends InternalParts, PutDefaultEndpoint {
  readonly bus: EventBus;
}

/** The internal API, not listening yet. */
export function createInternalServer({ bus, ...deps }: InternalServerDependencies) {
  const http = createInternalHttp({ service: "notifier", title: "PayFlow notifier, internal", ...deps });
  return http
    .app()
    .use(internalEndpointsRoutes(http, deps))
    .use(deadLetterRoutes(http, { bus, group: "notifier" }));
}
