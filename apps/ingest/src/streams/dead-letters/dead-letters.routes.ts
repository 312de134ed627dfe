import type { Caller } from "@payflow/service-kit/http/access.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { logChange } from "@payflow/service-kit/telemetry/audit.ts";
import { LettersResponse, ListLettersQuery, RedriveBody, RedriveResponse } from "./dead-letters.contract.ts";
import type { Owner } from "./letter.ts";
import { listLetters, type ReadLetters } from "./read-letters.ts";
import { type RedriveLetters, redriveLetters } from "./redrive-letters.ts";

export type StreamLettersRoutes = ReadLetters & RedriveLetters;

/**
 * `GET /v1/dead-letters` and `POST /v1/dead-letters/redrive`: a tenant's own, or with the admin token all.
 */
export const streamLettersRoutes = (http: Http, deps: StreamLettersRoutes) =>
  http
    .routes("stream-dead-letters")
    .get("/v1/dead-letters", ({ caller, query }) => listLetters(deps, ownerOf(caller), query), {
      access: "events:read or admin",
      query: ListLettersQuery,
      detail: operation({
        summary: "List events that a consumer could not handle",
        description: "They are kept for 30 days. The admin token shows those of all tenants and both modes.",
        responses: { 200: LettersResponse },
        problems: ["invalid_cursor"],
      }),
    })
    .post(
      "/v1/dead-letters/redrive",
      async ({ caller, body, requestId }) => {
        const redriven = await redriveLetters(deps, ownerOf(caller), body);
        const by = caller.kind === "admin" ? "admin" : caller.tenant.tenantId;
        const change = { audit: "dead_letters_redriven", name: body.group, by, count: redriven };
        logChange(http.options.logger, { ...change, request_id: requestId });
        return { redriven };
      },
      {
        access: "events:write or admin",
        body: RedriveBody,
        detail: operation({
          summary: "Hand dead letters to their consumers again",
          description:
            "Each event goes to the end of its partition, for the group that failed it alone, in the order in " +
            "which they failed. Letters of groups that nobody reads for any more stay where they are.",
          responses: { 200: RedriveResponse },
        }),
      },
    );

function ownerOf(caller: Caller): Owner {
  return caller.kind === "admin" ? null : { tenantId: caller.tenant.tenantId, mode: caller.tenant.mode };
}
