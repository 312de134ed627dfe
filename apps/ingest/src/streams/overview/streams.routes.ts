import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { logChange } from "@payflow/service-kit/telemetry/audit.ts";
import { Type } from "@sinclair/typebox";
import { changeGroup, type ManageGroups, registerOutside, type ShownGroup } from "./manage-groups.ts";
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
    .put(
      "/v1/streams/groups/:group",
      async ({ params: { group }, body, requestId }) => {
        return note(http, "group_registered", requestId, await registerOutside(deps, group, body.start));
      },
      {
        access: "admin",
        params: GroupParams,
        body: RegisterGroupBody,
        detail: operation({
          summary: "Let events wait for a consumer group of another program",
          description: "The group is made in every partition. One that is there goes on where it was.",
          responses: { 200: RegisteredGroupResponse },
          problems: ["invalid_state"],
        }),
      },
    )
    .post(
      "/v1/streams/groups/:group/drain",
      async ({ params: { group }, requestId }) => {
        return note(http, "group_drained", requestId, await changeGroup(deps, group, "drain"));
      },
      {
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
      },
    )
    .delete(
      "/v1/streams/groups/:group",
      async ({ params: { group }, requestId }) => {
        return note(http, "group_deregistered", requestId, await changeGroup(deps, group, "deregister"));
      },
      {
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
      },
    );

/** Logs a change of a group, with a warning where that stops one of PayFlow's own, and answers the group. */
function note(http: Http, audit: string, request_id: string, shown: ShownGroup): ShownGroup {
  const stops =
    shown.kind === "outside"
      ? undefined
      : "the insights stop: events are counted no more, processors are judged no more and nobody is told of " +
        "their troubles, until a process that exports starts";
  logChange(http.options.logger, { audit, name: shown.group, by: "admin", request_id }, stops);
  return shown;
}
