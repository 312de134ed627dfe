import { expect, test } from "bun:test";
import type { Scope } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { createHttp } from "../src/http/server.ts";
import { createLogger } from "../src/telemetry/logging.ts";
import { Metrics } from "../src/telemetry/metrics.ts";

const adminToken = "a".repeat(32);
const scopesOf: Readonly<Record<string, readonly Scope[]>> = {
  reader: ["events:read"],
  writer: ["events:write"],
};

const http = createHttp({
  service: "example",
  title: "Example",
  logger: createLogger("example", "silent"),
  metrics: new Metrics("example"),
  adminToken,
  authenticator: {
    async authenticate(key) {
      const scopes = scopesOf[key];
      if (scopes === undefined) throw new DomainError("invalid_api_key");
      const limits = { requests_per_second: 1, burst: 1, events_per_second: 1 };
      return {
        ...{ tenantId: "ten_1", mode: "test", keyId: "key_1", scopes },
        limits: { ...limits, monthly_events: null, max_payment_amount: null },
      };
    },
  },
});
const app = http.app().use(
  http.routes("things").get("/things", ({ caller }) => ({ seen: caller.kind === "admin" ? "all" : "own" }), {
    access: "events:read or admin",
  }),
);

async function call(path: string, headers: Record<string, string> = {}) {
  const response = await app.handle(new Request(`http://localhost${path}`, { headers }));
  // The tests look at the few fields they name.
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test("one route serves a key with the scope and the admin token, and tells them apart", async () => {
  const asTenant = [{ "x-api-key": "reader" }, { authorization: "Bearer reader" }];
  for (const headers of asTenant)
    expect(await call("/things", headers)).toMatchObject({ body: { seen: "own" } });
  expect(await call("/things", { authorization: `Bearer ${adminToken}` })).toMatchObject({
    body: { seen: "all" },
  });
});

test("a key without the scope, a wrong token and nobody are refused as on a tenant's route", async () => {
  expect(await call("/things", { "x-api-key": "writer" })).toMatchObject({
    status: 403,
    body: { code: "insufficient_scope" },
  });
  const wrong = [{}, { "x-api-key": adminToken }, { authorization: `Bearer ${"b".repeat(32)}` }];
  for (const headers of wrong) {
    expect(await call("/things", headers)).toMatchObject({ status: 401, body: { code: "invalid_api_key" } });
  }
});

test("the API's document names both ways in", async () => {
  const { body } = await call("/openapi.json");
  expect(body).toMatchObject({
    paths: {
      "/things": {
        get: { "x-scope": "events:read", security: [{ apiKey: [] }, { bearer: [] }, { admin: [] }] },
      },
    },
  });
});
