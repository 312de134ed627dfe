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
import {
  type InternalEndpointsRoutes,
  internalEndpointsRoutes,
} from "./endpoints/internal-endpoints.routes.ts";
import type { HandOver } from "./messages/hand-over.ts";
import { internalMessagesRoutes } from "./messages/internal-messages.routes.ts";

/** What whoever receives webhooks must know, shown above the routes. */
const about = [
  "A webhook is a POST with a JSON body: `event`, `event_id`, `sequence`, `payment_id`, `tenant_id`, " +
    "`mode` and the event's own fields.",
  "It is signed as Standard Webhooks, whose libraries verify it: `webhook-signature` holds `v1,` and " +
    "the base64 of an HMAC-SHA-256 over `webhook-id`, `webhook-timestamp` and the body's bytes, joined " +
    "by dots. The key is what follows `whsec_`, decoded from base64. While a secret is being rotated " +
    "there are two signatures with a space between them.",
  "Answer any 2xx within 15 s. Anything else, a redirect too, is tried again 30 s, 5 min, 30 min, 2 " +
    "h, 5 h, 10 h, 24 h, 48 h and 72 h after the first attempt; `Retry-After` is heeded, and 410 " +
    "disables the endpoint.",
  "A webhook may come twice, and later ones may overtake it. `webhook-id` is the event's id, also on " +
    "retries and resends; `sequence` counts a payment's own events from 1.",
].join("\n\n");

export interface ServerDependencies extends PublicParts, EndpointsRoutes, DeliveriesRoutes {}

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "notifier", title: "PayFlow notifier", about, ...deps });
  return http.app().use(endpointsRoutes(http, deps)).use(deliveriesRoutes(http, deps));
}

export interface InternalServerDependencies extends InternalParts, InternalEndpointsRoutes {
  readonly bus: EventBus;
  readonly handOver: HandOver;
}

/** The internal API, not listening yet. */
export function createInternalServer({ bus, handOver, ...deps }: InternalServerDependencies) {
  const http = createInternalHttp({ service: "notifier", title: "PayFlow notifier, internal", ...deps });
  return http
    .app()
    .use(internalEndpointsRoutes(http, deps))
    .use(internalMessagesRoutes(http, handOver))
    .use(deadLetterRoutes(http, { bus, group: "notifier" }));
}
