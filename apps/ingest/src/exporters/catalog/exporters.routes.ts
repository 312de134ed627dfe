import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { orStreamsUnavailable } from "@payflow/service-kit/streams/connect.ts";
import { logChange } from "@payflow/service-kit/telemetry/audit.ts";
import {
  ExporterResponse,
  ExportersResponse,
  PutExporterBody,
  RemoveExporterQuery,
  settingsIn,
} from "./exporters.contract.ts";
import { type PutExporter, putExporter } from "./put-exporter.ts";
import { listExporters, type ReadExporters, readExporter } from "./read-exporters.ts";
import { type RemoveExporter, removeExporter, removeTenantPlace } from "./remove-exporter.ts";

export interface ExportersRoutes extends ReadExporters, PutExporter, RemoveExporter {}

const aboutPut =
  "What reading it answers can be put as it is. A secret that is left out, as every answer leaves it out, " +
  "stays the one given before for the same place and user.";

function note({ options }: Http, audit: string, name: string, request_id: string): void {
  logChange(options.logger, { audit, name, by: "admin", request_id });
}

async function listAll(deps: ReadExporters) {
  return { data: await listExporters(deps), next_cursor: null, has_more: false as const };
}

export const exportersRoutes = (http: Http, deps: ExportersRoutes) =>
  http
    .routes("exporters")
    .get("/v1/exporters", () => orStreamsUnavailable(() => listAll(deps)), {
      access: "admin",
      detail: operation({ summary: "List the exporters", responses: { 200: ExportersResponse } }),
    })
    .get("/v1/exporters/:name", ({ params }) => orStreamsUnavailable(() => readExporter(deps, params.name)), {
      access: "admin",
      detail: operation({
        summary: "Read an exporter, with its lag",
        responses: { 200: ExporterResponse },
        problems: ["not_found"],
      }),
    })
    .put(
      "/v1/exporters/:name",
      ({ params, body, requestId }) =>
        orStreamsUnavailable(async () => {
          await putExporter(deps, params.name, settingsIn(params.name, body));
          note(http, "exporter_put", params.name, requestId);
          return readExporter(deps, params.name);
        }),
      {
        access: "admin",
        body: PutExporterBody,
        detail: operation({
          summary: "Set up an exporter, or change one",
          description: aboutPut,
          responses: { 200: ExporterResponse },
          problems: ["invalid_request", "invalid_state", "limit_reached"],
        }),
      },
    )
    .delete(
      "/v1/exporters/:name",
      ({ params, query, set, requestId }) =>
        orStreamsUnavailable(async () => {
          const draining = await removeExporter(deps, params.name, query.now === "true");
          note(http, draining === null ? "exporter_deleted" : "exporter_drained", params.name, requestId);
          if (draining === null) return new Response(null, { status: 204 });
          set.status = 202;
          return readExporter(deps, params.name);
        }),
      {
        access: "admin",
        query: RemoveExporterQuery,
        detail: operation({
          summary: "Delete an exporter, after it has exported what has come",
          responses: { 202: ExporterResponse, 204: null },
          problems: ["not_found", "invalid_state"],
        }),
      },
    )
    .delete(
      "/v1/exporters/:name/tenants/:tenant_id",
      ({ params, requestId }) =>
        orStreamsUnavailable(async () => {
          await removeTenantPlace(deps, params.name, params.tenant_id);
          note(http, "exporter_tenant_deleted", `${params.name}/${params.tenant_id}`, requestId);
          return new Response(null, { status: 204 });
        }),
      {
        access: "admin",
        detail: operation({
          summary: "End a tenant's own place in an exporter, and give up what is parked for it",
          responses: { 204: null },
          problems: ["not_found", "invalid_state"],
        }),
      },
    );
