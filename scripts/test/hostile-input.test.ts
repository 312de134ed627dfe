import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import {
  type DocumentedRoute,
  documentedApps,
  documentedRoutes,
  type JsonSchema,
  sample,
} from "./platform/open-api.ts";
import { call, raiseLimits, registerTenant } from "./platform/platform.ts";
import { findSchemathesis, runSchemathesis } from "./platform/schemathesis.ts";

let installation: RunningInstallation;
let routes: DocumentedRoute[];
let headers: Record<string, string>;

beforeAll(async () => {
  installation = await startInstallation({ isDurable: false });
  routes = await documentedRoutes(installation);
  const tenant = await registerTenant(installation);
  await raiseLimits(installation, tenant);
  headers = { "x-api-key": tenant.liveKey, authorization: `Bearer ${installation.adminToken}` };
}, 60_000);

afterAll(() => installation?.stop());

const url = (route: DocumentedRoute) =>
  installation.url(route.app) + route.path.replace(/\{\w+\}/, "pay_01jd0000000000000000000000");
const withBody = () => routes.filter((route) => route.body !== undefined);
/** A list answers for what is wrong in it by itself, and has room for more. */
const withObject = () => withBody().filter((route) => route.body?.type !== "array");

async function send(route: DocumentedRoute, body: string, type = "application/json") {
  const response = await fetch(url(route), {
    method: route.method,
    headers: { ...headers, "content-type": type, "idempotency-key": crypto.randomUUID() },
    body,
  });
  const problem = (await response.json()) as { code: string; errors?: { pointer: string }[] };
  return {
    status: response.status,
    code: problem.code,
    pointers: problem.errors?.map((one) => one.pointer) ?? [],
  };
}

/** A value that the schema refuses: a number for texts, a text for the rest. */
function wrongValue(schema: JsonSchema): unknown {
  const isText =
    schema.type === "string" ||
    schema.anyOf?.some((one) => one.type === "string" || typeof one.const === "string");
  return isText === true ? 17.5 : "wrong";
}

describe("every route with a body", () => {
  test.each([
    ["bad JSON", '{"amount": 1,', "application/json", 400, "invalid_json"],
    ["text that is not UTF-8", "\u0000", "application/json", 400, "invalid_json"],
    ["another content type", "amount=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"],
    [
      "more than 256 KiB",
      JSON.stringify({ name: "x".repeat(270_000) }),
      "application/json",
      413,
      "payload_too_large",
    ],
    ["a list", "[]", "application/json", 400, "invalid_request"],
    ["null", "null", "application/json", 400, "invalid_request"],
  ])("answers %s with its problem", async (_, body, type, status, code) => {
    expect(withBody().length).toBeGreaterThan(10);
    for (const route of withBody()) {
      const answer = await send(route, body, type);
      const isRoomy = code === "payload_too_large" && route.body?.type === "array";
      const expected = isRoomy ? [400, "invalid_request"] : [status, code];
      expect([route.path, answer.status, answer.code]).toEqual([route.path, ...expected]);
    }
  });

  test("names an unknown field, and each field of a wrong type", async () => {
    for (const route of withObject()) {
      const schema = route.body as JsonSchema;
      // A body that is good but for one field.
      const good = sample(schema) as Record<string, unknown>;
      const unknown = await send(route, JSON.stringify({ ...good, no_such_field: 1 }));
      expect([route.path, unknown.code, unknown.pointers]).toEqual([
        route.path,
        "invalid_request",
        ["/no_such_field"],
      ]);
      for (const [name, property] of Object.entries(schema.properties ?? {})) {
        if (property.readOnly === true) continue;
        const answer = await send(route, JSON.stringify({ ...good, [name]: wrongValue(property) }));
        expect([route.path, name, answer.status, answer.code]).toEqual([
          route.path,
          name,
          400,
          "invalid_request",
        ]);
        expect(answer.pointers.some((pointer) => pointer.startsWith(`/${name}`))).toBe(true);
      }
    }
  });

  test("names each missing field", async () => {
    for (const route of withObject()) {
      const good = sample(route.body as JsonSchema) as Record<string, unknown>;
      for (const name of route.body?.required ?? []) {
        const { [name]: _, ...rest } = good;
        const answer = await send(route, JSON.stringify(rest));
        expect([route.path, answer.code, answer.pointers]).toEqual([
          route.path,
          "invalid_request",
          [`/${name}`],
        ]);
      }
    }
  });
});

test("every list refuses mangled cursors, limits out of range and unknown query fields", async () => {
  const lists = routes.filter((route) => route.method === "GET" && !route.path.includes("{"));
  let paged = 0;
  for (const route of lists) {
    const get = (query: string) => call(`${url(route)}?${query}`, "GET", { headers });
    const unknown = await get("no_such_field=1");
    if (unknown.status !== 400) continue;
    expect(unknown.body.errors[0].pointer).toBe("#/query/no_such_field");
    const cursor = await get("cursor=bWFuZ2xlZC1jdXJzb3ItdGhhdC1pcy1sb25n");
    if (cursor.body.code !== "invalid_cursor") continue;
    paged += 1;
    for (const query of ["limit=0", "limit=101", "limit=ten", "limit=1.5", "limit="]) {
      expect([route.path, query, (await get(query)).body.code]).toEqual([
        route.path,
        query,
        "invalid_request",
      ]);
    }
  }
  expect(paged).toBeGreaterThan(7);
});

describe("schemathesis", () => {
  const command = findSchemathesis();
  const examples = process.env.PAYFLOW_THOROUGH === undefined ? 10 : 100;

  test.each([...documentedApps])(
    "finds no server error and no undocumented answer in %s",
    (app) => {
      if (command === null) throw new Error("schemathesis needs python3 with venv and pip");
      const { isClean, output } = runSchemathesis({ command, url: installation.url(app), headers, examples });
      expect(isClean ? "" : output.slice(-6_000)).toBe("");
    },
    300_000,
  );
});
