import { toOpenAPISchema } from "@elysiajs/openapi";
import { errorCodes } from "@payflow/contracts/errors.ts";
import { type AnyElysia, Elysia } from "elysia";
import { type Access, scopeBesideOwner } from "./access.ts";
import { docsPage } from "./docs-page.ts";
import { addProblem } from "./operation.ts";

/** The parts of an OpenAPI 3 operation that the kit reads and completes. */
export interface OpenApiOperation {
  summary?: string;
  description?: string;
  operationId?: string;
  tags?: string[];
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema?: unknown }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: unknown }> };
  responses: Record<string, object>;
  security?: Record<string, string[]>[];
  /** Left by the `access` macro; not part of the document. */
  "x-access"?: Access;
  /** The scope a key needs for this route, if any. */
  "x-scope"?: string;
}

export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, OpenApiOperation>>;
  components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
}

/** Serves `/openapi.json` and a readable `/docs`, both made from the app's routes at their first request. */
export function documentation(options: { readonly title: string; readonly about?: string }) {
  let documentText: string | undefined;
  let pageText: string | undefined;
  const plugin = new Elysia({ name: "payflow-documentation" });
  return (root: Elysia) => {
    const describe = () => openApiDocument(root, options);
    const page = () => {
      pageText ??= docsPage(describe());
      return new Response(pageText, { headers: { "content-type": "text/html; charset=utf-8" } });
    };
    return root
      .use(plugin)
      .get(
        "/openapi.json",
        () => {
          documentText ??= JSON.stringify(withComponents(describe()));
          return new Response(documentText, { headers: { "content-type": "application/json" } });
        },
        { detail: { hide: true } },
      )
      .get("/docs", page, { detail: { hide: true } })
      .get("/docs/", page, { detail: { hide: true } });
  };
}

/** The OpenAPI document of an app's public routes, with access and the problems every route may answer. */
function openApiDocument(
  app: AnyElysia,
  { title, about }: { title: string; about?: string },
): OpenApiDocument {
  // The library's types are wider than what it writes; the generated files are compared in the tests.
  const described = toOpenAPISchema(app, undefined, undefined, undefined, "3.1.0");
  const { paths } = described as unknown as Pick<OpenApiDocument, "paths">;
  // The kit parses bodies itself, so the library does not know their content type.
  const bodies = new Map(app.routes.map((route) => [`${route.method} ${route.path}`, route.hooks.body]));
  const shown: OpenApiDocument["paths"] = {};
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, found] of Object.entries(operations)) {
      const access = found["x-access"];
      if (access === undefined || access === "internal") continue;
      const body = bodies.get(`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`);
      shown[path] = { ...shown[path], [method]: complete(found, access, method, path, body) };
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title,
      version: "1",
      description: about === undefined ? conventions : `${conventions}\n\n${about}`,
    },
    paths: shown,
    components: { schemas: { Problem: problemSchema }, securitySchemes },
  };
}

/** The document with each schema that has a name standing once, and referred to from everywhere else. */
function withComponents(document: OpenApiDocument): OpenApiDocument {
  const schemas = { ...document.components.schemas };
  const named = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(named);
    const name = "$id" in value && typeof value.$id === "string" ? value.$id : undefined;
    const parts = Object.entries(value).filter(([key]) => name === undefined || key !== "$id");
    const whole = Object.fromEntries(parts.map(([key, part]) => [key, named(part)]));
    if (name === undefined) return whole;
    schemas[name] = whole;
    return { $ref: `#/components/schemas/${name}` };
  };
  // The same document but for the schemas that were replaced.
  const paths = named(document.paths) as OpenApiDocument["paths"];
  return { ...document, paths, components: { ...document.components, schemas } };
}

/** What holds for every route of every app. */
const conventions = [
  "Amounts are integers in the currency's smallest unit; times are RFC 3339 in UTC.",
  "Send an API key as `x-api-key`, or as a Bearer token; the key also decides between live and test mode. " +
    "Routes that need the admin token take it as a Bearer token.",
  "Errors are `application/problem+json`: programs act on `code`, `errors` names each wrong field, and " +
    "`request_id` finds a failure of ours in the logs.",
  "Lists have the newest first. While `has_more` is true, ask again with `cursor` set to `next_cursor`.",
].join("\n\n");

/** Whether a route does without a body: no body is one without fields. */
function isOptional(body: unknown): boolean {
  // Bodies are schemas of objects; what they demand stands in these two places.
  const { required = [], minProperties = 0 } = body as { required?: string[]; minProperties?: number };
  return required.length === 0 && minProperties === 0;
}

function complete(
  { "x-access": _, ...found }: OpenApiOperation,
  access: Access,
  method: string,
  path: string,
  body: unknown,
): OpenApiOperation {
  const responses = { ...found.responses };
  addProblem(responses, "invalid_request");
  addProblem(responses, "not_found");
  addProblem(responses, "internal_error");
  addProblem(responses, "unavailable");
  const scope = scopeBesideOwner(access) ?? access;
  if (access === "admin") addProblem(responses, "invalid_admin_token");
  else if (access !== "public") {
    for (const code of ["invalid_api_key", "tenant_suspended", "rate_limited"] as const)
      addProblem(responses, code);
    if (access !== "tenant") addProblem(responses, "insufficient_scope");
  }
  if (method !== "get") {
    for (const code of ["invalid_json", "payload_too_large", "unsupported_media_type"] as const) {
      addProblem(responses, code);
    }
  }
  return {
    ...found,
    operationId: `${method}${path.replaceAll(/[^A-Za-z0-9]+(.)?/g, (_, next?: string) => (next ?? "").toUpperCase())}`,
    tags: [path.split("/")[1] ?? ""],
    ...(body === undefined
      ? {}
      : { requestBody: { required: !isOptional(body), content: { "application/json": { schema: body } } } }),
    responses,
    ...(access === "public" ? {} : { security: securityOf(access) }),
    ...(["public", "tenant", "admin"].includes(access) ? {} : { "x-scope": scope }),
  };
}

function securityOf(access: Access): Record<string, string[]>[] {
  const admin = [{ admin: [] }];
  const tenant = [{ apiKey: [] }, { bearer: [] }];
  if (access === "admin") return admin;
  return scopeBesideOwner(access) === undefined ? tenant : [...tenant, ...admin];
}

const securitySchemes = {
  apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
  bearer: { type: "http", scheme: "bearer" },
  admin: { type: "http", scheme: "bearer", description: "The platform owner's token." },
};

const problemSchema = {
  type: "object",
  required: ["type", "title", "status", "detail", "code", "request_id"],
  properties: {
    type: { type: "string", format: "uri" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", enum: Object.keys(errorCodes) },
    request_id: { type: "string" },
    errors: {
      type: "array",
      items: {
        type: "object",
        required: ["pointer", "message"],
        properties: { pointer: { type: "string" }, message: { type: "string" } },
      },
    },
  },
};
