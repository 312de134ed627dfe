import { nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { type Static, Type } from "@sinclair/typebox";

export const TenantStreamsResponse = Type.Object({
  tenant_id: Type.String(),
  mode: oneOf(["live", "test"], "The key's mode."),
  accepted: Type.Integer({ description: "Events stored." }),
  exported: Type.Integer({ description: "Events that every exporter is done with." }),
  dead: Type.Integer({ description: "Dead letters: events that an exporter could not handle." }),
  oldest_unexported_seconds: nullable(
    Type.Number({
      description:
        "How long the oldest event waits for an exporter, at most: behind a thousand events of others that is " +
        "the time those wait. Null while none waits.",
    }),
  ),
});
export type TenantStreamsResponse = Static<typeof TenantStreamsResponse>;

const GroupResponse = Type.Object({
  group: Type.String(),
  kind: Type.String({ description: "What reads for it; `outside` for programs that are not PayFlow's." }),
  state: oneOf(["active", "draining", "removed"], "No new events wait for a draining group."),
  start: oneOf(["oldest", "newest"], "The event it began with."),
  since: nullable(Timestamp),
  lag_events: Type.Integer({ description: "Events it has not acknowledged." }),
  lag_seconds: Type.Number({ description: "Age of the oldest of them." }),
  pending: Type.Integer({ description: "Events that outside readers have taken and not acknowledged." }),
});

const PartitionResponse = Type.Object({
  partition: Type.Integer(),
  length: Type.Integer({ description: "Events it holds." }),
  added: Type.Integer({ description: "Events it ever had." }),
  dead: Type.Integer(),
  oldest_id: nullable(Type.String()),
  newest_id: Type.String(),
});

export const AllStreamsResponse = Type.Object({
  pressure: oneOf(["none", "soft", "hard"], "`soft` refuses tenants above their share, `hard` everybody."),
  memory_ratio: Type.Number({ description: "Share of Redis's memory in use." }),
  length: Type.Integer(),
  added: Type.Integer(),
  dead: Type.Integer(),
  groups: Type.Array(GroupResponse),
  partitions: Type.Array(PartitionResponse),
});
export type AllStreamsResponse = Static<typeof AllStreamsResponse>;

const GroupName = Type.String({ pattern: "^[a-zA-Z0-9._-]{1,100}$" });
export const GroupParams = Type.Object({ group: GroupName }, { additionalProperties: false });

export const RegisterGroupBody = Type.Object(
  {
    start: Type.Optional(
      oneOf(["oldest", "newest"], "The event it begins with; the oldest that is there when left out."),
    ),
  },
  { additionalProperties: false },
);

export const RegisteredGroupResponse = Type.Object({
  group: Type.String(),
  kind: Type.String(),
  state: oneOf(["active", "draining", "removed"]),
});

/** Of a route that takes nothing: no body, or an empty object. */
export const NoBody = Type.Object({}, { additionalProperties: false });
