import { type Static, Type } from "@sinclair/typebox";
import type { Mode } from "./access.ts";
import { Url } from "./fields.ts";

/** What the tenant app asks notifier for: where a tenant's events of one mode go by default. */
export const DefaultEndpointRequest = Type.Object({ url: Url }, { additionalProperties: false });
export type DefaultEndpointRequest = Static<typeof DefaultEndpointRequest>;

/**
 * The default endpoint; every event after this answer is delivered to it. `signing_secret` is there only when
 * the endpoint was first made. Problems: `invalid_request` (the URL) and `limit_reached` (fifty endpoints
 * already).
 */
export const DefaultEndpointAnswer = Type.Object(
  {
    endpoint_id: Type.String(),
    url: Type.String(),
    signing_secret: Type.Optional(
      Type.String({ description: "`whsec_` and base64 of 32 bytes; shown once." }),
    ),
  },
  { additionalProperties: false },
);
export type DefaultEndpointAnswer = Static<typeof DefaultEndpointAnswer>;

/** The path of `PUT /internal/v1/default-endpoints/:tenant/:mode` for a tenant and mode. */
export function defaultEndpointPath(tenantId: string, mode: Mode): string {
  return `/internal/v1/default-endpoints/${tenantId}/${mode}`;
}
