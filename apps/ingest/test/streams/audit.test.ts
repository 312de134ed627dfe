import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { createHttp } from "@payflow/service-kit/http/server.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { exportersRoutes } from "../../src/exporters/catalog/exporters.routes.ts";
import { streamLettersRoutes } from "../../src/streams/dead-letters/dead-letters.routes.ts";
import { streamsRoutes } from "../../src/streams/overview/streams.routes.ts";
import { ExportSpace, newTenant } from "../exporters/fixture/export-space.ts";

const adminToken = "the admin token of the tests of the audit";

let stores: TestRedisPair;
let space: ExportSpace;
let lines: Record<string, unknown>[];
let call: (method: string, path: string, body?: unknown) => Promise<number>;

beforeAll(async () => {
  stores = await testRedis();
}, 60_000);
beforeEach(async () => {
  space = await ExportSpace.open(stores.durable.url);
  lines = [];
  const logger = createLogger("ingest", "info", { write: (line) => lines.push(JSON.parse(line)) });
  const http = createHttp({ service: "ingest", title: "audit", adminToken, logger, metrics: space.metrics });
  const streams = space.look();
  const app = http
    .app()
    .use(exportersRoutes(http, space.routes))
    .use(streamsRoutes(http, streams))
    .use(streamLettersRoutes(http, streams));
  call = async (method, path, body) => {
    const headers = {
      authorization: `Bearer ${adminToken}`,
      "request-id": `${method}-${lines.length}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const request = new Request(`http://ingest/v1${path}`, { method, headers, ...text });
    return (await app.handle(request)).status;
  };
});
afterEach(() => space.end());
afterAll(() => stores.close());

test("each change by hand leaves one line with what was done, to what and by which request, and no secret", async () => {
  const tenantId = newTenant();
  const s3 = { bucket: "events", access_key_id: "k", secret_access_key: "a secret of the bucket" };
  const lake = {
    kind: "warehouse",
    settings: { format: "ndjson", target: { s3 } },
    tenants: { [tenantId]: { prefix: "acme" } },
  };
  await call("PUT", "/exporters/lake", lake);
  await call("DELETE", `/exporters/lake/tenants/${tenantId}`);
  await call("DELETE", "/exporters/lake");
  await call("DELETE", "/exporters/lake?now=true");
  await call("PUT", "/streams/groups/mine", {});
  await call("POST", "/streams/groups/mine/drain");
  await call("DELETE", "/streams/groups/mine");
  await call("POST", "/dead-letters/redrive", { group: "lake" });
  expect(lines.map(({ level, audit, name, by, request_id }) => [level, audit, name, by, request_id])).toEqual(
    [
      ["info", "exporter_put", "lake", "admin", "PUT-0"],
      ["info", "exporter_tenant_deleted", `lake/${tenantId}`, "admin", "DELETE-1"],
      ["info", "exporter_drained", "lake", "admin", "DELETE-2"],
      ["info", "exporter_deleted", "lake", "admin", "DELETE-3"],
      ["info", "group_registered", "mine", "admin", "PUT-4"],
      ["info", "group_drained", "mine", "admin", "POST-5"],
      ["info", "group_deregistered", "mine", "admin", "DELETE-6"],
      ["info", "dead_letters_redriven", "lake", "admin", "POST-7"],
    ],
  );
  expect(lines.at(-1)).toMatchObject({ count: 0 });
  expect(JSON.stringify(lines)).not.toContain("a secret of");
});

test("what is refused or only read leaves none", async () => {
  expect(await call("PUT", "/exporters/lake", { kind: "ftp" })).toBe(400);
  expect(await call("DELETE", "/streams/groups/mine")).toBe(404);
  for (const path of ["/exporters", "/streams", "/dead-letters"]) expect(await call("GET", path)).toBe(200);
  expect(lines).toEqual([]);
});

test("who removes one of PayFlow's own groups is warned of what stops", async () => {
  await space.registry.register("insights", "insights", "0");
  expect(await call("DELETE", "/streams/groups/insights")).toBe(200);
  expect(lines).toMatchObject([{ level: "warn", audit: "group_deregistered", name: "insights" }]);
  expect(lines[0]?.msg).toContain("the insights stop");
});
