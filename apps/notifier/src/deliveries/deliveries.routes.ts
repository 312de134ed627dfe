import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import {
  DeliveriesResponse,
  DeliveryWithAttemptsResponse,
  ListDeliveriesQuery,
  NoBody,
} from "./deliveries.contract.ts";
import { listDeliveries, type ReadDeliveries, readDelivery } from "./read-deliveries.ts";
import { type ResendDelivery, resendDelivery } from "./resend-delivery.ts";

export type DeliveriesRoutes = ReadDeliveries & ResendDelivery;

export const deliveriesRoutes = (http: Http, deps: DeliveriesRoutes) =>
  http
    .routes("webhook-deliveries")
    .get("/webhook-deliveries", ({ tenant, query }) => listDeliveries(deps, tenant, query), {
      access: "webhooks:read",
      query: ListDeliveriesQuery,
      detail: operation({
        summary: "List webhook deliveries",
        responses: { 200: DeliveriesResponse },
        problems: ["invalid_cursor"],
      }),
    })
    .get("/webhook-deliveries/:id", ({ tenant, params }) => readDelivery(deps, tenant, params.id), {
      access: "webhooks:read",
      detail: operation({
        summary: "Read a webhook delivery with its attempts",
        responses: { 200: DeliveryWithAttemptsResponse },
        problems: ["not_found"],
      }),
    })
    .post(
      "/webhook-deliveries/:id/resend",
      async ({ tenant, params, set }) => {
        set.status = 202;
        return resendDelivery(deps, tenant, params.id);
      },
      {
        access: "webhooks:write",
        body: NoBody,
        detail: operation({
          summary: "Send a delivery again",
          description: "It is due at once and begins a new schedule; the `webhook-id` stays the event's id.",
          responses: { 202: DeliveryWithAttemptsResponse },
          problems: ["not_found", "invalid_state"],
        }),
      },
    );
