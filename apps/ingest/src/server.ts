import {
  createHttp,
  createInternalHttp,
  type InternalParts,
  type PublicParts,
} from "@payflow/service-kit/http/server.ts";
import { type ExportersRoutes, exportersRoutes } from "./exporters/catalog/exporters.routes.ts";
import { type InsightsRoutes, insightsRoutes } from "./insights/insights.routes.ts";
import { type StreamLettersRoutes, streamLettersRoutes } from "./streams/dead-letters/dead-letters.routes.ts";
import { type StreamsRoutes, streamsRoutes } from "./streams/overview/streams.routes.ts";

export interface ServerDependencies extends PublicParts, InsightsRoutes {
  readonly exporting: ExportersRoutes;
  readonly reading: StreamsRoutes & StreamLettersRoutes;
}

/** The public API, not listening yet. */
export function createServer({ exporting, reading, ...deps }: ServerDependencies) {
  const http = createHttp({ service: "ingest", title: "PayFlow ingest", ...deps });
  return http
    .app()
    .use(insightsRoutes(http, deps))
    .use(exportersRoutes(http, exporting))
    .use(streamsRoutes(http, reading))
    .use(streamLettersRoutes(http, reading));
}

export interface InternalServerDependencies extends InternalParts {}

/** The internal API, not listening yet. */
export function createInternalServer(deps: InternalServerDependencies) {
  const http = createInternalHttp({ service: "ingest", title: "PayFlow ingest, internal", ...deps });
  return http.app();
}
