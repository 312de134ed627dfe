import { DomainError } from "@payflow/contracts/errors.ts";
import { nullable, oneOf, Timestamp } from "@payflow/contracts/fields.ts";
import { type Static, Type } from "@sinclair/typebox";
import { type Exporter, withoutSecrets } from "../exporter.ts";
import { exporterKinds, exporterSchemas } from "../exporter-settings.ts";

const Anything = (description: string) => Type.Object({}, { additionalProperties: true, description });

const Told = () =>
  Type.Optional(Type.Unknown({ readOnly: true, description: "Told by PayFlow; left alone in a put." }));
/** The fields of an answer that nobody sets. */
const told = {
  source: Told(),
  state: Told(),
  lag: Told(),
  parked: Told(),
  trouble: Told(),
  created_at: Told(),
  updated_at: Told(),
};

/** The settings are read by their kind's own schema besides, so that each wrong field is named. */
export const PutExporterBody = Type.Object(
  {
    name: Type.Optional(Type.String({ description: "That of the path." })),
    kind: oneOf(exporterKinds),
    start: exporterSchemas.webhook.properties.start,
    settings: Type.Optional(
      Anything("By kind, such as a warehouse's `format` and `target`. See docs/guides/exporters.md."),
    ),
    tenants: Type.Optional(Anything("By tenant: the place that its events go to instead.")),
    ...told,
  },
  { additionalProperties: false },
);

/** The settings in what was put, perhaps an answer of ours. Throws `invalid_request` for another name. */
export function settingsIn(name: string, body: Static<typeof PutExporterBody>): object {
  const { name: given = name, ...rest } = body;
  if (given !== name) {
    const errors = [{ pointer: "/name", message: "Expected the name in the path" }];
    throw new DomainError("invalid_request", undefined, { errors });
  }
  return Object.fromEntries(Object.entries(rest).filter(([field]) => !(field in told)));
}

export const RemoveExporterQuery = Type.Object(
  {
    now: Type.Optional(
      Type.Union([Type.Literal("true"), Type.Literal("false")], {
        description: "Gives up what is not exported yet, instead of exporting it first.",
      }),
    ),
  },
  { additionalProperties: false },
);

const Trouble = Type.Object(
  { message: Type.String(), since: Timestamp },
  { description: "What is waited for at the moment." },
);

export const ExporterResponse = Type.Object({
  name: Type.String(),
  kind: oneOf(exporterKinds),
  start: oneOf(["oldest", "now"]),
  settings: Anything("Without secrets."),
  tenants: Anything("By tenant, without secrets."),
  source: oneOf(["api", "file"]),
  state: oneOf(["running", "draining"]),
  lag: Type.Object({
    events: Type.Integer({ description: "Events it has not exported, parked ones left out." }),
    seconds: Type.Number({ description: "Age of the oldest of them." }),
  }),
  parked: Type.Array(
    Type.Object({
      tenant_id: Type.String(),
      events: Type.Integer(),
      bytes: Type.Integer(),
      trouble: nullable(Trouble),
    }),
    { description: "What waits for the own targets of tenants." },
  ),
  trouble: nullable(Trouble),
  created_at: Timestamp,
  updated_at: Timestamp,
});
export type ExporterResponse = Static<typeof ExporterResponse>;

export const ExportersResponse = Type.Object({
  data: Type.Array(ExporterResponse),
  next_cursor: Type.Null(),
  has_more: Type.Literal(false),
});

/** How an exporter stands at the moment. */
export interface ExporterStanding {
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly parked: readonly { readonly tenantId: string; readonly events: number; readonly bytes: number }[];
  /** By tenant; under nothing what all of them wait for. */
  readonly troubles: ReadonlyMap<string, { readonly message: string; readonly since: string }>;
}

export function toExporter(
  exporter: Exporter,
  { lag, parked, troubles }: ExporterStanding,
): ExporterResponse {
  const shown = withoutSecrets(exporter.settings);
  return {
    name: exporter.name,
    kind: shown.kind,
    start: shown.start ?? "oldest",
    settings: shown.settings ?? {},
    tenants: shown.tenants ?? {},
    source: exporter.source,
    state: exporter.state,
    lag: { events: lag.events, seconds: lag.seconds },
    parked: parked.map(({ tenantId, events, bytes }) => ({
      tenant_id: tenantId,
      events,
      bytes,
      trouble: troubles.get(tenantId) ?? null,
    })),
    trouble: troubles.get("") ?? null,
    created_at: exporter.createdAt,
    updated_at: exporter.updatedAt,
  };
}
