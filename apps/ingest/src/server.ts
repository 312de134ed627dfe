import {
  createHttp,
  createInternalHttp,
  type InternalParts,
  type PublicParts,
} from "@payflow/service-kit/http/server.ts";
import { type InsightsRoutes, insightsRoutes } from "./insights/insights.routes.ts";

export interface ServerDependencies extends PublicParts, InsightsRoutes {}

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "ingest", title: "PayFlow ingest", ...deps });
  return http.app().use(insightsRoutes(http, deps));
}

export interface InternalServerDependencies extends InternalParts {}

/** The internal API, not listening yet. */
export function createInternalServer(deps: InternalServerDependencies) {
  const http = createInternalHttp({ service: "ingest", title: "PayFlow ingest, internal", ...deps });
  return http.app();
}
