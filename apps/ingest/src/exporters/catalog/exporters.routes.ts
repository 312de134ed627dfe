import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { orStreamsUnavailable } from "@payflow/service-kit/streams/connect.ts";
import {
  ExporterResponse,
  ExportersResponse,
  PutExporterBody,
  RemoveExporterQuery,
} from "./exporters.contract.ts";
import { type PutExporter, putExporter } from "./put-exporter.ts";
import { listExporters, type ReadExporters, readExporter } from "./read-exporters.ts";
import { type RemoveExporter, removeExporter, removeTenantPlace } from "./remove-exporter.ts";

export interface ExportersRoutes extends ReadExporters, PutExporter, RemoveExporter {}

export const exportersRoutes = (http: Http, deps: ExportersRoutes) =>
  http
    .routes("exporters")
    .get(
      "/v1/exporters",
      () =>
        orStreamsUnavailable(async () => ({
          data: await listExporters(deps),
          next_cursor: null,
          has_more: false as const,
        })),
      {
        access: "admin",
        detail: operation({ summary: "List the exporters", responses: { 200: ExportersResponse } }),
      },
    )
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
      ({ params, body }) =>
        orStreamsUnavailable(async () => {
          await putExporter(deps, params.name, body);
          return readExporter(deps, params.name);
        }),
      {
        access: "admin",
        body: PutExporterBody,
        detail: operation({
          summary: "Set up an exporter, or change one",
          responses: { 200: ExporterResponse },
          problems: ["invalid_request", "invalid_state", "limit_reached"],
        }),
      },
    )
    .delete(
      "/v1/exporters/:name",
      ({ params, query, set }) =>
        orStreamsUnavailable(async () => {
          const draining = await removeExporter(deps, params.name, query.now === "true");
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
      ({ params }) =>
        orStreamsUnavailable(async () => {
          await removeTenantPlace(deps, params.name, params.tenant_id);
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
