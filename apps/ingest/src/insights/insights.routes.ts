import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { orStreamsUnavailable } from "@payflow/service-kit/streams/connect.ts";
import { ProcessorsQuery, ProcessorsResponse, toProcessorsResponse } from "./insights.contract.ts";
import type { processorsReader } from "./read-processors.ts";

export interface InsightsRoutes {
  readonly readProcessors: ReturnType<typeof processorsReader>;
}

/** How a tenant's processors do. */
export const insightsRoutes = (http: Http, deps: InsightsRoutes) =>
  http
    .routes("insights")
    .get(
      "/v1/insights/processors",
      async ({ tenant, query }) =>
        orStreamsUnavailable(async () =>
          toProcessorsResponse(await deps.readProcessors(tenant, query.window ?? "1h")),
        ),
      {
        access: "events:read",
        query: ProcessorsQuery,
        detail: operation({
          summary: "Failure rate, retries, time-outs and clusters of failures of each processor",
          description:
            "Figures of the events that arrived within the window, for the key's mode, and of the window before. " +
            "A window ends now and begins at a whole minute (5m, 15m), or at five (1h), 30 (6h) or 120 of them (24h). " +
            "What counts as a failure, and which limits there are: docs/guides/insights.md.",
          responses: { 200: ProcessorsResponse },
        }),
      },
    );
