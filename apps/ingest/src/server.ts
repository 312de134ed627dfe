import {
  createHttp,
  createInternalHttp,
  type InternalParts,
  type PublicParts,
} from "@payflow/service-kit/http/server.ts";
import { type ExportersRoutes, exportersRoutes } from "./exporters/catalog/exporters.routes.ts";
import { type InsightsRoutes, insightsRoutes } from "./insights/insights.routes.ts";

export interface ServerDependencies extends PublicParts, InsightsRoutes {
  readonly exporting: ExportersRoutes;
}

/** The public API, not listening yet. */
export function createServer({ exporting, ...deps }: ServerDependencies) {
  const http = createHttp({ service: "ingest", title: "PayFlow ingest", ...deps });
  return http.app().use(insightsRoutes(http, deps)).use(exportersRoutes(http, exporting));
}

export interface InternalServerDependencies extends InternalParts {}

/** The internal API, not listening yet. */
export function createInternalServer(deps: InternalServerDependencies) {
  const http = createInternalHttp({ service: "ingest", title: "PayFlow ingest, internal", ...deps });
  return http.app();
}
