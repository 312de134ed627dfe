import type { FieldError } from "@payflow/contracts/errors.ts";
import { isId } from "@payflow/contracts/ids.ts";
import { sentence } from "@payflow/service-kit/http/problem.ts";
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { fileFormats } from "./warehouse/formats/encoder.ts";

const strict = { additionalProperties: false };

/** The names of exporters: they stand in keys, metrics and the names of files. */
export const exporterName = /^[a-z][a-z0-9-]{0,39}$/;
export const exporterKinds = ["webhook", "warehouse", "kafka"] as const;

/** The most rows of one file; what a partition's exporter holds at once is bounded by it. */
export const maxRows = 100_000;
const maxTenantPlaces = 1_000;

/** Folders below one another. None begins with a dot, so that no path leads up or hides. */
const Path = (description: string) =>
  Type.String({
    pattern: "^[A-Za-z0-9_=-][A-Za-z0-9_=.-]{0,63}(/[A-Za-z0-9_=-][A-Za-z0-9_=.-]{0,63}){0,7}$",
    expected: "folders such as lake/raw: letters, digits, _, =, -, and dots that do not come first",
    maxLength: 200,
    description,
  });

const S3Settings = Type.Object(
  {
    bucket: Type.String({
      pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
      expected: "a bucket's name: 3 to 63 lower-case letters, digits, dots and dashes",
    }),
    access_key_id: Type.String({ minLength: 1, maxLength: 200 }),
    secret_access_key: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 500,
        description: "Never shown. Left out, the one given before for the same place and key stays.",
      }),
    ),
    endpoint: Type.Optional(
      Type.String({
        pattern: "^https?://[^/?#\\s@]+$",
        expected: "http:// or https:// with a host, and a port if need be, and nothing behind them",
        maxLength: 255,
      }),
    ),
    region: Type.Optional(Type.String({ pattern: "^[a-z0-9-]{1,40}$" })),
    virtual_hosted_style: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type S3Settings = Static<typeof S3Settings>;

const Target = Type.Object(
  {
    folder: Type.Optional(Path("A folder below INGEST_EXPORT_FOLDER.")),
    s3: Type.Optional(S3Settings),
  },
  { ...strict, description: "Either a folder or a bucket." },
);
export type TargetSettings = Static<typeof Target>;

const WarehouseSettings = Type.Object(
  {
    format: Type.Union(fileFormats.map((format) => Type.Literal(format))),
    target: Target,
    prefix: Type.Optional(Path("Folders in the target that its files stand in.")),
    max_rows: Type.Optional(Type.Integer({ minimum: 1, maximum: maxRows, default: 20_000 })),
    max_bytes: Type.Optional(
      Type.Integer({
        minimum: 1_024,
        maximum: 256 * 1024 * 1024,
        default: 16 * 1024 * 1024,
        description: "Of the events' text, before compression.",
      }),
    ),
    max_age_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_600, default: 60 })),
  },
  strict,
);
export type WarehouseSettings = Static<typeof WarehouseSettings>;

const Topic = Type.String({
  pattern: "^[A-Za-z0-9._-]{1,249}$",
  expected: "a topic's name: letters, digits, dots, dashes and underscores",
});

const KafkaSettings = Type.Object(
  {
    brokers: Type.Array(
      Type.String({ pattern: "^[A-Za-z0-9.-]{1,253}:\\d{1,5}$", expected: "a broker as host:port" }),
      { minItems: 1, maxItems: 20 },
    ),
    topic: Topic,
    tls: Type.Optional(
      Type.Object(
        {
          ca: Type.Optional(
            Type.String({
              pattern: "^-----BEGIN CERTIFICATE-----",
              expected: "certificates in PEM form",
              maxLength: 100_000,
              description: "The authority of the brokers' certificates; the system's own when left out.",
            }),
          ),
        },
        { ...strict, description: "The brokers are reached by TLS." },
      ),
    ),
    sasl: Type.Optional(
      Type.Object(
        {
          mechanism: Type.Union([
            Type.Literal("scram-sha-512"),
            Type.Literal("scram-sha-256"),
            Type.Literal("plain"),
          ]),
          username: Type.String({ minLength: 1, maxLength: 200 }),
          password: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 500,
              description: "Never shown. Left out, the one given before for the same brokers and user stays.",
            }),
          ),
        },
        strict,
      ),
    ),
  },
  strict,
);
export type KafkaSettings = Static<typeof KafkaSettings>;

/** Where one tenant's events go instead: into folders, a target or a topic of its own. */
const WarehousePlace = Type.Object(
  {
    prefix: Type.Optional(Path("Folders in the target that this tenant's files stand in.")),
    target: Type.Optional(Target),
  },
  { ...strict, minProperties: 1 },
);
export type WarehousePlace = Static<typeof WarehousePlace>;
const KafkaPlace = Type.Object({ topic: Topic }, strict);

const tenantsOf = <T extends TSchema>(place: T) =>
  Type.Optional(Type.Record(Type.String(), place, { maxProperties: maxTenantPlaces }));
const start = Type.Optional(
  Type.Union([Type.Literal("oldest"), Type.Literal("now")], {
    default: "oldest",
    description: "Where a new exporter begins: with the oldest event kept, or with those to come.",
  }),
);

/** Answers show what a kind does not have as empty, and can be put again. */
const nothing = Type.Optional(Type.Object({}, strict));

/** The settings of each kind, as they are put by admins and stand in the file. */
export const exporterSchemas = {
  webhook: Type.Object({ kind: Type.Literal("webhook"), start, settings: nothing, tenants: nothing }, strict),
  warehouse: Type.Object(
    {
      kind: Type.Literal("warehouse"),
      start,
      settings: WarehouseSettings,
      tenants: tenantsOf(WarehousePlace),
    },
    strict,
  ),
  kafka: Type.Object(
    { kind: Type.Literal("kafka"), start, settings: KafkaSettings, tenants: tenantsOf(KafkaPlace) },
    strict,
  ),
} as const;

export type WebhookExporter = Static<typeof exporterSchemas.webhook>;
export type WarehouseExporter = Static<typeof exporterSchemas.warehouse>;
export type KafkaExporter = Static<typeof exporterSchemas.kafka>;
export type ExporterSettings = WebhookExporter | WarehouseExporter | KafkaExporter;

/** Reads an exporter's settings, or tells everything that is wrong with them, by pointers from `at`. */
export function readExporterSettings(
  value: unknown,
  at = "",
): { readonly settings: ExporterSettings } | { readonly problems: readonly FieldError[] } {
  const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
  const known = exporterKinds.find((one) => one === kind);
  if (known === undefined) {
    return { problems: [{ pointer: `${at}/kind`, message: `Expected one of ${exporterKinds.join(", ")}` }] };
  }
  const problems = new Map<string, string>();
  for (const problem of Value.Errors(exporterSchemas[known], value)) {
    if (!problems.has(problem.path)) problems.set(problem.path, sentence(problem));
  }
  if (problems.size === 0) {
    // Checked against its kind's schema just above.
    const settings = value as ExporterSettings;
    for (const [path, message] of furtherProblems(settings)) problems.set(path, message);
    if (problems.size === 0) return { settings };
  }
  return {
    problems: [...problems].slice(0, 50).map(([path, message]) => ({ pointer: at + path, message })),
  };
}

function* furtherProblems(exporter: ExporterSettings): Generator<readonly [string, string]> {
  if (exporter.kind === "webhook") return;
  for (const tenantId of Object.keys(exporter.tenants ?? {})) {
    if (!isId("ten", tenantId)) yield [`/tenants/${tenantId.slice(0, 100)}`, "Expected a tenant's id"];
  }
  if (exporter.kind !== "warehouse") return;
  yield* targetProblems(exporter.settings.target, "/settings/target");
  for (const [tenantId, place] of Object.entries(exporter.tenants ?? {})) {
    if (place.target !== undefined) yield* targetProblems(place.target, `/tenants/${tenantId}/target`);
  }
}

function* targetProblems(target: TargetSettings, at: string): Generator<readonly [string, string]> {
  if ((target.folder === undefined) === (target.s3 === undefined)) {
    yield [at, "Expected either a folder or s3"];
  }
}

/** The targets among an exporter's settings, with the pointers to them. */
export function targetsOf(exporter: ExporterSettings): Map<string, TargetSettings> {
  if (exporter.kind !== "warehouse") return new Map();
  const targets = new Map([["/settings/target", exporter.settings.target]]);
  for (const [tenantId, { target }] of Object.entries(exporter.tenants ?? {})) {
    if (target !== undefined) targets.set(`/tenants/${tenantId}/target`, target);
  }
  return targets;
}
