import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";

export const documentedApps = ["tenant", "payment", "ledger", "fraud", "notifier", "ingest"] as const;

/** A route as its app's document describes it. */
export interface DocumentedRoute {
  readonly app: string;
  readonly method: string;
  readonly path: string;
  readonly scope: string | undefined;
  readonly isAdmin: boolean;
  readonly body: JsonSchema | undefined;
}

/** The parts of JSON Schema that our documents use. */
export interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly format?: string;
  /** Told by the service; whatever is sent for it is left alone. */
  readonly readOnly?: boolean;
}

interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
  readonly paths: Record<
    string,
    Record<
      string,
      {
        readonly "x-scope"?: string;
        readonly security?: readonly Record<string, unknown>[];
        readonly requestBody?: { readonly content: Record<string, { readonly schema: JsonSchema }> };
      }
    >
  >;
}

/** Every documented route of a running installation. */
export async function documentedRoutes(installation: RunningInstallation): Promise<DocumentedRoute[]> {
  const routes: DocumentedRoute[] = [];
  for (const app of documentedApps) {
    const answer = await fetch(`${installation.url(app)}/openapi.json`);
    const document = (await answer.json()) as Document;
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        routes.push({
          app,
          method: method.toUpperCase(),
          path,
          scope: operation["x-scope"],
          isAdmin: operation.security?.every((one) => "admin" in one) === true,
          body: whole(operation.requestBody?.content["application/json"]?.schema, document),
        });
      }
    }
  }
  return routes;
}

/** A body's schema with what it refers to, and what it adds to, in their places. */
function whole(schema: JsonSchema | undefined, { components }: Document): JsonSchema | undefined {
  const put = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(put);
    if ("$ref" in value) return put(components.schemas[String(value.$ref).split("/").at(-1) ?? ""]);
    const { allOf, ...own } = Object.fromEntries(
      Object.entries(value).map(([key, part]) => [key, put(part)]),
    );
    if (!Array.isArray(allOf)) return own;
    return Object.assign({}, ...allOf, own, { required: allOf.flatMap((part) => part.required ?? []) });
  };
  // A schema stays one with its parts in their places.
  return put(schema) as JsonSchema | undefined;
}

/** The smallest value that a schema admits, so that a request reaches the route's own logic. */
export function sample(schema: JsonSchema): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.anyOf?.[0] !== undefined) return sample(schema.anyOf[0]);
  switch (schema.type) {
    case "object": {
      const required = schema.required ?? [];
      const spare = Object.keys(schema.properties ?? {}).filter((name) => !required.includes(name));
      const names = [
        ...required,
        ...spare.slice(0, Math.max(0, (schema.minProperties ?? 0) - required.length)),
      ];
      return Object.fromEntries(names.map((name) => [name, sample(schema.properties?.[name] ?? {})]));
    }
    case "array":
      return Array.from({ length: schema.minItems ?? 0 }, () => sample(schema.items ?? {}));
    case "integer":
    case "number":
      return schema.minimum ?? 1;
    case "boolean":
      return true;
    default:
      return sampleText(schema);
  }
}

function sampleText(schema: JsonSchema): string {
  if (schema.format === "uri") return "http://127.0.0.1:9/hook";
  if (schema.format === "email-address") return "other@example.com";
  if (schema.format === "currency") return "INR";
  if (schema.format === "date-time") return new Date().toISOString();
  return "x".repeat(Math.max(1, schema.minLength ?? 1));
}
