import { modes } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { DefaultEndpointAnswer, DefaultEndpointRequest } from "@payflow/contracts/internal-notifier.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { type PutDefaultEndpoint, putDefaultEndpoint } from "./put-default-endpoint.ts";

export const internalEndpointsRoutes = (http: Http, deps: PutDefaultEndpoint) =>
  http.routes("internal-endpoints").put(
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
  );
