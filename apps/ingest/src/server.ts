import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { deadLetterRoutes } from "@payflow/service-kit/bus/dead-letters.ts";
import { createDoor } from "@payflow/service-kit/http/door.ts";
import {
  createHttp,
  createInternalHttp,
  type InternalParts,
  type PublicParts,
} from "@payflow/service-kit/http/server.ts";
import { directEventRoutes, type EventRoutes, eventRoutes } from "./events/events.routes.ts";
import { type ExportersRoutes, exportersRoutes } from "./exporters/catalog/exporters.routes.ts";
import { type InsightsRoutes, insightsRoutes } from "./insights/insights.routes.ts";
import { usageRoutes } from "./quotas/usage.routes.ts";
import type { ReadUsage } from "./quotas/usage.ts";
import { type StreamLettersRoutes, streamLettersRoutes } from "./streams/dead-letters/dead-letters.routes.ts";
import { type StreamsRoutes, streamsRoutes } from "./streams/overview/streams.routes.ts";

export interface ServerDependencies extends PublicParts, InsightsRoutes {
  /** Null where a process takes no events. */
  readonly taking: (EventRoutes & ReadUsage) | null;
  readonly exporting: ExportersRoutes;
  readonly reading: StreamsRoutes & StreamLettersRoutes;
}

const service = { service: "ingest", title: "PayFlow ingest" };

/** The public API, not listening yet. */
export function createServer({ exporting, reading, taking, ...deps }: ServerDependencies) {
  const http = createHttp({ ...service, ...deps });
  const root = http.app();
  if (taking !== null) root.use(eventRoutes(http, taking)).use(usageRoutes(http, taking));
  return root
    .use(insightsRoutes(http, deps))
    .use(exportersRoutes(http, exporting))
    .use(streamsRoutes(http, reading))
    .use(streamLettersRoutes(http, reading));
}

/** The way past the framework to the routes that take events. */
export function createEventDoor(taking: EventRoutes, deps: PublicParts) {
  return createDoor({ ...service, ...deps }, Object.values(directEventRoutes(taking)));
}

export interface InternalServerDependencies extends InternalParts {
  /** Null where a process reads nothing from it. */
  readonly bus: EventBus | null;
}

/** The internal API, not listening yet. */
export function createInternalServer({ bus, ...deps }: InternalServerDependencies) {
  const http = createInternalHttp({ service: "ingest", title: "PayFlow ingest, internal", ...deps });
  const root = http.app();
  return bus === null ? root : root.use(deadLetterRoutes(http, { bus, group: "ingest" }));
}
