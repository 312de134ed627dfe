import { describe, expect, test } from "bun:test";
import { DomainError } from "@payflow/contracts/errors.ts";
import { Metadata } from "@payflow/contracts/fields.ts";
import { Type } from "@sinclair/typebox";
import { operation } from "../src/http/operation.ts";
import { createHttp } from "../src/http/server.ts";
import { pageQuery } from "../src/store/paging.ts";
import { createLogger } from "../src/telemetry/logging.ts";
import { Metrics } from "../src/telemetry/metrics.ts";

const limits = {
  requests_per_second: 1,
  burst: 1,
  events_per_second: 1,
  monthly_events: null,
  max_payment_amount: null,
};

function createApp() {
  const http = createHttp({
    service: "example",
    title: "Example",
    logger: createLogger("example", "silent"),
    metrics: new Metrics("example"),
    adminToken: "a".repeat(32),
    bodyLimit: 1_000,
    authenticator: {
      async authenticate(key) {
        if (key !== "good") throw new DomainError("invalid_api_key");
        return { tenantId: "ten_1", mode: "test", keyId: "key_1", scopes: ["payments:write"], limits };
      },
    },
    rateLimiter: { take: () => ({ isAllowed: true, headers: { ratelimit: '"requests";r=1;t=1' } }) },
  });
  const Body = Type.Object(
    { amount: Type.Integer({ minimum: 1 }), metadata: Type.Optional(Metadata) },
    { additionalProperties: false },
  );
  const routes = http
    .routes("things")
    .post(
      "/things",
      ({ tenant, body, set }) => {
        set.status = 201;
        return { tenant: tenant.tenantId, amount: body.amount };
      },
      {
        access: "payments:write",
        body: Body,
        detail: operation({ summary: "Makes a thing", responses: { 201: Body } }),
      },
    )
    .get("/things", ({ query }) => ({ limit: query.limit ?? 20 }), {
      access: "tenant",
      query: Type.Object(
        { ...pageQuery, name: Type.Optional(Type.String()) },
        { additionalProperties: false },
      ),
    })
    .post("/things/:id/turn", ({ body }) => ({ degrees: body.degrees ?? 90 }), {
      access: "tenant",
      body: Type.Object({ degrees: Type.Optional(Type.Integer()) }, { additionalProperties: false }),
    })
    .get("/ledger", () => ({}), { access: "ledger:read" })
    .get(
      "/broken",
      () => {
        throw new Error("the secret reason");
      },
      { access: "public" },
    )
    .get("/admin", () => ({ ok: true }), { access: "admin" });
  return http.app().use(routes);
}

const app = createApp();

async function call(
  method: string,
  path: string,
  init: { key?: string; body?: string; type?: string; token?: string } = {},
) {
  const headers: Record<string, string> = {};
  if (init.key !== undefined) headers["x-api-key"] = init.key;
  if (init.token !== undefined) headers.authorization = `Bearer ${init.token}`;
  if (init.body !== undefined) headers["content-type"] = init.type ?? "application/json";
  const response = await app.handle(
    new Request(`http://localhost${path}`, {
      method,
      headers,
      ...(init.body === undefined ? {} : { body: init.body }),
    }),
  );
  // Every answer of the kit is JSON here.
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, body, headers: response.headers };
}

describe("every route", () => {
  test("a good request is answered with request id and rate headers", async () => {
    const answer = await call("POST", "/things", {
      key: "good",
      body: '{"amount":5,"metadata":{"order":"1"}}',
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({ tenant: "ten_1", amount: 5 });
    expect(answer.headers.get("request-id")).toMatch(/^req_/);
    expect(answer.headers.get("ratelimit")).toBe('"requests";r=1;t=1');
  });

  test.each([
    ["an unknown path", "GET", "/nothing", {}, 404, "not_found"],
    ["an unknown method", "PATCH", "/things", { key: "good" }, 404, "not_found"],
    ["no key", "POST", "/things", { body: "{" }, 401, "invalid_api_key"],
    ["a bad key", "GET", "/things", { key: "bad" }, 401, "invalid_api_key"],
    ["a missing scope", "GET", "/ledger", { key: "good" }, 403, "insufficient_scope"],
    ["no JSON", "POST", "/things", { key: "good", body: "{" }, 400, "invalid_json"],
    [
      "another content type",
      "POST",
      "/things",
      { key: "good", body: "{}", type: "text/plain" },
      415,
      "unsupported_media_type",
    ],
    [
      "a huge body",
      "POST",
      "/things",
      { key: "good", body: `"${"x".repeat(2_000)}"` },
      413,
      "payload_too_large",
    ],
    [
      "half a surrogate pair",
      "POST",
      "/things",
      { key: "good", body: '{"amount":1,"metadata":{"a":"\\ud800"}}' },
      400,
      "invalid_json",
    ],
    [
      "half a surrogate pair in a name",
      "POST",
      "/things",
      { key: "good", body: '{"amount":1,"metadata":{"\\uDFFF":"a"}}' },
      400,
      "invalid_json",
    ],
    ["a NUL in the query", "GET", "/things?name=%00", { key: "good" }, 400, "invalid_request"],
    ["no body", "POST", "/things", { key: "good" }, 400, "invalid_request"],
    ["an unknown query field", "GET", "/things?page=2", { key: "good" }, 400, "invalid_request"],
    ["a limit of 101", "GET", "/things?limit=101", { key: "good" }, 400, "invalid_request"],
    ["a tenant's key on an admin route", "GET", "/admin", { token: "good" }, 401, "invalid_admin_token"],
    ["a bug", "GET", "/broken", {}, 500, "internal_error"],
  ] as const)("%s is answered with its problem", async (_, method, path, init, status, code) => {
    const answer = await call(method, path, init);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.get("www-authenticate")).toBe(status === 401 ? "Bearer" : null);
    expect(answer.body).toMatchObject({ status, code, request_id: answer.headers.get("request-id") });
    expect(JSON.stringify(answer.body)).not.toContain("secret reason");
  });

  test("a path that the app does not have is answered with the app's name, for it may be another's", async () => {
    const answer = await call("GET", "/payments?limit=1", { key: "good" });
    expect(answer.body.detail).toBe("This is the example app; no route GET /payments here.");
    const long = await call("GET", `/${"x".repeat(5_000)}`);
    expect(String(long.body.detail).length).toBeLessThan(300);
  });

  test("wrong and unknown fields are each named", async () => {
    const answer = await call("POST", "/things", {
      key: "good",
      body: '{"amount":"5","colour":1,"metadata":{"a":2}}',
    });
    expect(answer.status).toBe(400);
    const pointers = (answer.body.errors as { pointer: string }[]).map((one) => one.pointer).sort();
    expect(pointers).toEqual(["/amount", "/colour", "/metadata/a"]);
  });

  test("no body is one without fields: taken where none is required, told what is missing elsewhere", async () => {
    const turned = await call("POST", "/things/1/turn", { key: "good" });
    expect([turned.status, turned.body]).toEqual([200, { degrees: 90 }]);
    expect((await call("POST", "/things/1/turn", { key: "good", body: "[]" })).status).toBe(400);
    expect((await call("POST", "/things/1/turn", { key: "good", body: "null" })).status).toBe(400);
    const refused = await call("POST", "/things", { key: "good" });
    expect(refused.body.errors).toEqual([{ pointer: "/amount", message: "Expected required property" }]);
    const whole = await call("POST", "/things", { key: "good", body: "[]" });
    expect(whole.body.errors).toEqual([{ pointer: "", message: "Expected an object" }]);
  });

  test("an escaped pair of surrogates is a character like any other", async () => {
    const body = '{"amount":1,"metadata":{"\\ud83d\\ude00":"\\\\ud800"}}';
    expect((await call("POST", "/things", { key: "good", body })).status).toBe(201);
  });

  test.each(["x", "pay"])("a host called %s finds its routes", async (host) => {
    const request = new Request(`http://${host}/things`, { headers: { "x-api-key": "good" } });
    expect((await app.handle(request)).status).toBe(200);
  });

  test("a metadata key of 41 characters is refused", async () => {
    const answer = await call("POST", "/things", {
      key: "good",
      body: `{"amount":1,"metadata":{"${"k".repeat(41)}":"v"}}`,
    });
    expect(answer.status).toBe(400);
  });

  test("limit arrives as a number, the admin token opens admin routes, a key may be a bearer token", async () => {
    expect((await call("GET", "/things?limit=7", { key: "good" })).body).toEqual({ limit: 7 });
    expect((await call("GET", "/admin", { token: "a".repeat(32) })).status).toBe(200);
    expect((await call("GET", "/things", { token: "good" })).status).toBe(200);
  });

  test("the document names scopes, problems and bodies, and the page shows the routes", async () => {
    const document = (await call("GET", "/openapi.json")).body as {
      paths: Record<
        string,
        Record<
          string,
          { "x-scope"?: string; requestBody?: { required: boolean; content: object }; responses: object }
        >
      >;
    };
    const post = document.paths["/things"]?.post;
    expect(post?.["x-scope"]).toBe("payments:write");
    expect(Object.keys(post?.requestBody?.content ?? {})).toEqual(["application/json"]);
    expect(post?.requestBody?.required).toBe(true);
    expect(document.paths["/things/{id}/turn"]?.post?.requestBody?.required).toBe(false);
    expect(Object.keys(post?.responses ?? {})).toEqual(
      expect.arrayContaining(["201", "400", "401", "403", "413", "415", "429"]),
    );
    const page = await (await app.handle(new Request("http://localhost/docs"))).text();
    expect(page).toContain("POST /things");
    expect(page).toContain("<code>x-api-key</code>");
    expect(page).not.toContain("&quot;properties&quot;");
    const slashed = await app.handle(new Request("http://localhost/docs/"));
    expect([slashed.status, await slashed.text()]).toEqual([200, page]);
  });

  test("the document has a schema with a name once, and refers to it; the page lists its fields", async () => {
    const Thing = Type.Object({ colour: Type.String() }, { $id: "Thing" });
    const logger = createLogger("example", "silent");
    const http = createHttp({
      service: "example",
      title: "Example",
      logger,
      metrics: new Metrics("example"),
    });
    const detail = operation({
      summary: "Takes things",
      responses: { 200: Type.Object({ things: Type.Array(Thing) }) },
      bodies: { "application/json": Thing, "application/x-things": Type.Array(Thing) },
    });
    const app = http.app().use(http.routes("things").post("/things", () => "", { access: "public", detail }));
    const text = await (await app.handle(new Request("http://localhost/openapi.json"))).text();
    expect(text.match(/"colour":/g)).toHaveLength(1);
    expect(text.match(/"\$ref":"#\/components\/schemas\/Thing"/g)).toHaveLength(3);
    expect(JSON.parse(text).components.schemas.Thing.properties.colour).toEqual({ type: "string" });
    const page = await (await app.handle(new Request("http://localhost/docs"))).text();
    expect(page.match(/<code>(things\[\]\.)?colour<\/code>/g)).toHaveLength(2);
  });
});
