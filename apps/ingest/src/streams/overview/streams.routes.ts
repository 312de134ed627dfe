import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { Type } from "@sinclair/typebox";
import { changeGroup, type ManageGroups, registerOutside } from "./manage-groups.ts";
import { type ReadStreams, readAllStreams, readTenantStreams } from "./read-streams.ts";
import {
  AllStreamsResponse,
  GroupParams,
  NoBody,
  RegisteredGroupResponse,
  RegisterGroupBody,
  TenantStreamsResponse,
} from "./streams.contract.ts";

export type StreamsRoutes = ReadStreams & ManageGroups;

/** `GET /v1/streams`, and for the admin token the groups that events wait for. */
export const streamsRoutes = (http: Http, deps: StreamsRoutes) =>
  http
    .routes("streams")
    .get(
      "/v1/streams",
      // Without `async` Elysia takes it for a handler that answers at once, and leaves its failures alone.
      async ({ caller }) =>
        caller.kind === "admin" ? readAllStreams(deps) : readTenantStreams(deps, caller.tenant),
      {
        access: "events:read or admin",
        detail: operation({
          summary: "What became of the events",
          description:
            "A key shows its tenant's events in its mode. The admin token shows the shared streams, the groups " +
            "that read them and how far these are behind.",
          responses: { 200: Type.Union([TenantStreamsResponse, AllStreamsResponse]) },
        }),
      },
    )
    .put("/v1/streams/groups/:group", ({ params, body }) => registerOutside(deps, params.group, body.start), {
      access: "admin",
      params: GroupParams,
      body: RegisterGroupBody,
      detail: operation({
        summary: "Let events wait for a consumer group of another program",
        description: "The group is made in every partition. One that is there goes on where it was.",
        responses: { 200: RegisteredGroupResponse },
        problems: ["invalid_state"],
      }),
    })
    .post("/v1/streams/groups/:group/drain", ({ params }) => changeGroup(deps, params.group, "drain"), {
      access: "admin",
      params: GroupParams,
      body: NoBody,
      detail: operation({
        summary: "Let no new events wait for a consumer group",
        description:
          "Once it has acknowledged those that do, it is removed. An exporter's goes with the exporter.",
        responses: { 200: RegisteredGroupResponse },
        problems: ["invalid_state"],
      }),
    })
    .delete("/v1/streams/groups/:group", ({ params }) => changeGroup(deps, params.group, "deregister"), {
      access: "admin",
      params: GroupParams,
      body: NoBody,
      detail: operation({
        summary: "Remove a consumer group",
        description:
          "At once, whatever it has not read: events wait for it no longer. An exporter's goes with the " +
          "exporter. `insights` comes back when a process that exports starts; until then nothing is counted.",
        responses: { 200: RegisteredGroupResponse },
        problems: ["invalid_state"],
      }),
    });
