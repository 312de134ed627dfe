import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { type ChangeEndpoint, changeEndpoint, deleteEndpoint, rotateSecret } from "./change-endpoint.ts";
import { type CreateEndpoint, createEndpoint } from "./create-endpoint.ts";
import {
  ChangeEndpointBody,
  CreateEndpointBody,
  EndpointResponse,
  EndpointsResponse,
  ListEndpointsQuery,
  NewEndpointResponse,
  NoBody,
  RotatedSecretResponse,
  RotateSecretBody,
  TestDeliveryResponse,
} from "./endpoints.contract.ts";
import { listEndpoints, type ReadEndpoints, readEndpoint } from "./read-endpoints.ts";
import { type SendTestEvent, sendTestEvent } from "./send-test-event.ts";

export type EndpointsRoutes = CreateEndpoint & ReadEndpoints & ChangeEndpoint & SendTestEvent;

export const endpointsRoutes = (http: Http, deps: EndpointsRoutes) =>
  http
    .routes("webhook-endpoints")
    .post(
      "/webhook-endpoints",
      async ({ tenant, body, set }) => {
        set.status = 201;
        return createEndpoint(deps, tenant, body);
      },
      {
        access: "webhooks:write",
        body: CreateEndpointBody,
        detail: operation({
          summary: "Add a webhook endpoint",
          description: "The signing secret is shown this once. At most 50 endpoints a tenant and mode.",
          responses: { 201: NewEndpointResponse },
          problems: ["limit_reached"],
        }),
      },
    )
    .get("/webhook-endpoints", ({ tenant, query }) => listEndpoints(deps, tenant, query), {
      access: "webhooks:read",
      query: ListEndpointsQuery,
      detail: operation({
        summary: "List webhook endpoints",
        responses: { 200: EndpointsResponse },
        problems: ["invalid_cursor"],
      }),
    })
    .get("/webhook-endpoints/:id", ({ tenant, params }) => readEndpoint(deps, tenant, params.id), {
      access: "webhooks:read",
      detail: operation({
        summary: "Read a webhook endpoint",
        responses: { 200: EndpointResponse },
        problems: ["not_found"],
      }),
    })
    .patch(
      "/webhook-endpoints/:id",
      ({ tenant, params, body }) => changeEndpoint(deps, tenant, params.id, body),
      {
        access: "webhooks:write",
        body: ChangeEndpointBody,
        detail: operation({
          summary: "Change a webhook endpoint",
          description:
            "A disabled endpoint keeps what waits, paused; events of that time are not kept for it. " +
            "Enabling lets what waits go on.",
          responses: { 200: EndpointResponse },
          problems: ["not_found", "managed_by_kubernetes"],
        }),
      },
    )
    .delete(
      "/webhook-endpoints/:id",
      async ({ tenant, params }) => {
        await deleteEndpoint(deps, tenant, params.id);
        return new Response(null, { status: 204 });
      },
      {
        access: "webhooks:write",
        detail: operation({
          summary: "Delete a webhook endpoint",
          description: "Attempts under way end; deliveries that wait are canceled.",
          responses: { 204: null },
          problems: ["not_found", "managed_by_kubernetes"],
        }),
      },
    )
    .use(secretRoutes(http, deps));

const secretRoutes = (http: Http, deps: EndpointsRoutes) =>
  http
    .routes("webhook-secrets")
    .post(
      "/webhook-endpoints/:id/rotate-secret",
      ({ tenant, params, body }) => rotateSecret(deps, tenant, params.id, body),
      {
        access: "webhooks:write",
        body: RotateSecretBody,
        detail: operation({
          summary: "Rotate the signing secret",
          description: "While the secrets overlap, each message carries a signature of both.",
          responses: { 200: RotatedSecretResponse },
          problems: ["not_found", "managed_by_kubernetes"],
        }),
      },
    )
    .post(
      "/webhook-endpoints/:id/test",
      async ({ tenant, params, set }) => {
        set.status = 202;
        return sendTestEvent(deps, tenant, params.id);
      },
      {
        access: "webhooks:write",
        body: NoBody,
        detail: operation({
          summary: "Send a test event",
          description: "Queues a signed `webhook.test` event; read its delivery to see what came of it.",
          responses: { 202: TestDeliveryResponse },
          problems: ["not_found", "invalid_state"],
        }),
      },
    );
