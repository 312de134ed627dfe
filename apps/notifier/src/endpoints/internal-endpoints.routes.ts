import { modes } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import {
  DefaultEndpointAnswer,
  DefaultEndpointRequest,
  DeleteEndpointQuery,
  InternalEndpoint,
  PutEndpointBody,
} from "@payflow/contracts/internal-notifier.ts";
import { readGovernor } from "@payflow/contracts/internal-operator.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { type PutDefaultEndpoint, putDefaultEndpoint } from "./put-default-endpoint.ts";
import {
  deleteGovernedEndpoint,
  type GovernEndpoint,
  putEndpoint,
  readInternalEndpoint,
} from "./put-endpoint.ts";

export interface InternalEndpointsRoutes extends PutDefaultEndpoint, GovernEndpoint {}

const path = "/internal/v1/webhook-endpoints/:id";
const Params = Type.Object({ id: Type.String() });
const refusals = ["stale_leader", "stale_generation", "governed_by_another", "invalid_state"] as const;

/** What the tenant app asks for, and what the operator makes of WebhookEndpoint resources. */
export const internalEndpointsRoutes = (http: Http, deps: InternalEndpointsRoutes) =>
  http
    .routes("internal-endpoints")
    .put(
      "/internal/v1/default-endpoints/:tenant/:mode",
      ({ params, body }) => {
        const mode = modes.find((known) => known === params.mode);
        if (mode === undefined || !isId("ten", params.tenant)) throw new DomainError("not_found");
        return putDefaultEndpoint(deps, { tenantId: params.tenant, mode }, body.url);
      },
      {
        access: "internal",
        body: DefaultEndpointRequest,
        detail: operation({
          summary: "Set a tenant's default endpoint",
          responses: { 200: DefaultEndpointAnswer },
          problems: ["limit_reached"],
        }),
      },
    )
    .get(path, ({ params }) => readInternalEndpoint(deps, params.id), {
      access: "operator",
      params: Params,
      detail: operation({
        summary: "Read a resource's endpoint",
        responses: { 200: InternalEndpoint },
        problems: ["not_found"],
      }),
    })
    .put(
      path,
      ({ params, body, request }) => putEndpoint(deps, readGovernor(request.headers), params.id, body),
      {
        access: "operator",
        params: Params,
        body: PutEndpointBody,
        detail: operation({
          summary: "Make an endpoint what its resource says",
          responses: { 200: InternalEndpoint },
          problems: [...refusals, "immutable_field", "limit_reached"],
        }),
      },
    )
    .delete(
      path,
      ({ params, query, request }) =>
        deleteGovernedEndpoint(deps, readGovernor(request.headers), params.id, query.policy ?? "drain"),
      {
        access: "operator",
        params: Params,
        query: DeleteEndpointQuery,
        detail: operation({
          summary: "End what an endpoint's resource governed",
          responses: { 200: InternalEndpoint },
          problems: [...refusals, "not_found"],
        }),
      },
    );
