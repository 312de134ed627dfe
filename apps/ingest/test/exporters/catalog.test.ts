import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { createHttp } from "@payflow/service-kit/http/server.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { exportersRoutes } from "../../src/exporters/catalog/exporters.routes.ts";
import { registerExporter } from "../../src/exporters/catalog/put-exporter.ts";
import { ExportSpace, newTenant } from "./fixture/export-space.ts";
import { judge } from "./fixture/exported-rows.ts";

const adminToken = "the admin token of the exporters' tests";

let stores: TestRedisPair;
let space: ExportSpace;
let server: ReturnType<typeof startServer>;

beforeAll(async () => {
  stores = await testRedis();
}, 60_000);
beforeEach(async () => {
  space = await ExportSpace.open(stores.durable.url);
  server = startServer();
});
afterEach(() => space.end());
afterAll(() => stores.close());

function startServer() {
  const { logger, metrics } = space;
  const http = createHttp({ service: "ingest", title: "exporters", adminToken, logger, metrics });
  const app = http.app().use(exportersRoutes(http, space.routes));
  return async (method: string, path: string, body?: unknown, token = adminToken) => {
    const response = await app.handle(
      new Request(`http://ingest/v1/exporters${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    return { status: response.status, body: text === "" ? null : JSON.parse(text) };
  };
}

const folder = (changes: object = {}) => ({
  kind: "warehouse",
  settings: { format: "ndjson", target: { folder: "lake" }, max_age_seconds: 1, ...changes },
});
const pointers = (body: { errors?: { pointer: string }[] }) => body.errors?.map((one) => one.pointer);

describe("admins", () => {
  test("set up exporters, read them and list them in order, and nobody else does", async () => {
    expect((await server("PUT", "/b", { kind: "webhook" })).status).toBe(200);
    const made = await server("PUT", "/a", { ...folder(), tenants: { [newTenant()]: { prefix: "x/y" } } });
    expect(made.body).toMatchObject({
      ...{ name: "a", kind: "warehouse", start: "oldest", source: "api", state: "running" },
      ...{ lag: { events: 0, seconds: 0 }, parked: [], trouble: null },
    });
    expect((await server("GET", "/a")).body).toEqual(made.body);
    const { body } = await server("GET", "");
    expect(body.data.map((one: { name: string }) => one.name)).toEqual(["a", "b"]);
    expect(body).toMatchObject({ next_cursor: null, has_more: false });
    for (const [method, path] of [
      ["GET", ""],
      ["GET", "/a"],
      ["PUT", "/a"],
      ["DELETE", "/a"],
      ["DELETE", `/a/tenants/${newTenant()}`],
    ] as const) {
      const refused = await server(method, path, method === "PUT" ? { kind: "webhook" } : undefined, "no");
      expect(refused.body).toMatchObject({ status: 401, code: "invalid_admin_token" });
    }
    for (const path of ["/c", "/UP", "/a%20b"]) expect((await server("GET", path)).status).toBe(404);
  });

  test.each([
    [{}, ["/kind"]],
    [{ kind: "ftp" }, ["/kind"]],
    [
      { kind: "webhook", settings: { colour: 1 }, tenants: { ten_1: {} } },
      ["/settings/colour", "/tenants/ten_1"],
    ],
    [{ kind: "webhook", name: "other" }, ["/name"]],
    [{ kind: "warehouse" }, ["/settings"]],
    [folder({ format: "csv", colour: 1 }), ["/settings/colour", "/settings/format"]],
    [folder({ target: {} }), ["/settings/target"]],
    [folder({ max_rows: 0, max_bytes: 1, max_age_seconds: 0 }), expect.anything()],
    [
      folder({ target: { folder: "a", s3: { bucket: "abc", access_key_id: "k", secret_access_key: "s" } } }),
      ["/settings/target"],
    ],
    [folder({ target: { s3: { bucket: "B", access_key_id: "" } } }), expect.anything()],
    [{ ...folder(), tenants: { ten_1: { prefix: "a" } } }, ["/tenants/ten_1"]],
    [{ ...folder(), start: "yesterday" }, ["/start"]],
    [
      { kind: "kafka", settings: { brokers: ["b"], topic: "a b" }, tenants: { ten_1: { topic: "t" } } },
      ["/settings/brokers/0", "/settings/topic"],
    ],
    [
      { kind: "kafka", settings: { brokers: ["b:9092"], topic: "t", sasl: { mechanism: "plain" } } },
      ["/settings/sasl/username"],
    ],
  ])("are told what is wrong with %j", async (body, where) => {
    const { status, body: problem } = await server("PUT", "/lake", body);
    expect([status, problem.code]).toEqual([400, "invalid_request"]);
    expect(pointers(problem)?.toSorted()).toEqual(where);
    expect((await server("GET", "/lake")).status).toBe(404);
    expect(await space.registry.list()).toEqual([]);
  });

  test.each([
    "..",
    "../x",
    "x/..",
    "x/../y",
    "/x",
    "x/",
    "x//y",
    ".x",
    "x/.y",
    "x\\y",
    "~",
    "x y",
    "",
    "a\0b",
    "%2e%2e",
    `${"x".repeat(65)}`,
    Array.from({ length: 9 }, () => "x").join("/"),
  ])("cannot lead files out of their folder by %j", async (path) => {
    for (const body of [
      folder({ prefix: path }),
      folder({ target: { folder: path } }),
      { ...folder(), tenants: { [newTenant()]: { prefix: path } } },
      { ...folder(), tenants: { [newTenant()]: { target: { folder: path } } } },
    ]) {
      expect((await server("PUT", "/lake", body)).status).toBe(400);
    }
  });

  test("change an exporter but not its kind, and have twenty at most", async () => {
    await server("PUT", "/lake", folder());
    const changed = await server("PUT", "/lake", folder({ prefix: "later" }));
    expect(changed.body.settings.prefix).toBe("later");
    expect(changed.body.created_at).not.toBe(changed.body.updated_at);
    const other = await server("PUT", "/lake", { kind: "webhook" });
    expect(other.body).toMatchObject({ status: 409, code: "invalid_state" });
    for (let index = 1; index < 20; index += 1) await server("PUT", `/more-${index}`, { kind: "webhook" });
    expect((await server("PUT", "/one-more", { kind: "webhook" })).body.code).toBe("limit_reached");
    expect((await server("PUT", "/lake", folder())).status).toBe(200);
  });
});

test.each<object>([
  { kind: "webhook" },
  { kind: "webhook", start: "now" },
  { ...folder(), tenants: { [newTenant()]: { prefix: "acme" } } },
  folder({ target: { s3: { bucket: "events", access_key_id: "k", secret_access_key: "a secret of it" } } }),
  {
    kind: "kafka",
    settings: {
      ...{ brokers: ["kafka:9093"], topic: "events", tls: {} },
      sasl: { mechanism: "scram-sha-512", username: "payflow", password: "a secret of it" },
    },
  },
])("what reading an exporter answers can be put as it is: %j", async (settings) => {
  await server("PUT", "/lake", settings);
  const before = await space.routes.exporters.get("lake");
  const { body: read } = await server("GET", "/lake");
  expect(JSON.stringify(read)).not.toContain("a secret of it");
  const { status, body } = await server("PUT", "/lake", read);
  expect([status, body]).toEqual([200, { ...read, updated_at: body.updated_at }]);
  const secrets = (of: unknown) => JSON.stringify(of).match(/a secret of it/g);
  expect(secrets(await space.routes.exporters.get("lake"))).toEqual(secrets(before));
});

test("changes are taken up by what runs, and what has gone out stays where it is", async () => {
  space.run();
  await server("PUT", "/lake", folder({ prefix: "first" }));
  await space.append(newTenant(), 10);
  await eventually(() => space.rows("lake", "first").length === 50);
  await server("PUT", "/lake", folder({ prefix: "second" }));
  await eventually(async () => (await server("GET", "/lake")).body.settings.prefix === "second");
  await eventually(async () => {
    await space.append(newTenant(), 1);
    return space.rows("lake", "second").length > 0;
  });
  await eventually(async () => (await server("GET", "/lake")).body.lag.events === 0);
  const all = judge([...space.rows("lake", "first"), ...space.rows("lake", "second")]);
  expect(all).toMatchObject({ rows: space.appended, twice: 0 });
});

test("a deleted exporter first exports what has come, and then nothing waits for it", async () => {
  await server("PUT", "/lake", folder());
  await server("PUT", "/gone", folder({ target: { folder: "gone" } }));
  await space.append(newTenant(), 30);
  const draining = await server("DELETE", "/lake");
  expect([draining.status, draining.body.state, draining.body.lag.events]).toEqual([202, "draining", 150]);
  expect((await server("PUT", "/lake", folder())).body.code).toBe("invalid_state");
  expect((await server("DELETE", "/gone?now=true")).status).toBe(204);
  expect((await server("GET", "/gone")).status).toBe(404);
  space.run();
  space.look();
  await eventually(async () => (await server("GET", "/lake")).status === 404, { timeoutMs: 20_000 });
  expect(judge(space.rows("lake"))).toEqual({ rows: 150, twice: 0, events: 150, gaps: 0 });
  expect(await space.registry.list()).toEqual([]);
  expect(space.rows("gone")).toEqual([]);
  // Under its name another one may begin.
  expect((await server("PUT", "/lake", folder())).status).toBe(200);
}, 60_000);

test("a group that was made for an exporter as it was deleted goes again: nobody would read for it", async () => {
  await server("PUT", "/lake", folder());
  await server("PUT", "/other", folder({ target: { folder: "other" } }));
  await space.registry.register("exporter-theirs", "outside", "0");
  const { lake } = Object.fromEntries((await space.routes.exporters.list()).map((one) => [one.name, one]));
  if (lake === undefined) throw new Error("the exporter is not set up");
  expect((await server("DELETE", "/lake?now=true")).status).toBe(204);
  // A process that had read the settings just before goes on with what it read.
  await registerExporter(space.routes, lake);
  space.run();
  const groups = async () => (await space.registry.list()).map((one) => one.group);
  await eventually(async () => !(await groups()).includes("exporter-lake"));
  expect(await groups()).toEqual(["exporter-other", "exporter-theirs"]);
});

test("an exporter that begins now exports nothing older", async () => {
  await space.append(newTenant(), 10);
  await server("PUT", "/lake", { ...folder(), start: "now" });
  const later = newTenant();
  await space.append(later, 10);
  space.run();
  await eventually(() => space.rows("lake").length >= 50);
  expect(new Set(space.rows("lake").map((row) => row.tenant_id))).toEqual(new Set([later]));
});

test("a tenant's place ends with what is parked for it, and only where there is one", async () => {
  const tenantId = newTenant();
  await server("PUT", "/lake", {
    ...folder(),
    tenants: { [tenantId]: { target: { folder: "theirs" } }, [newTenant()]: { prefix: "b" } },
  });
  for (const wrong of ["ten_1", newId("evt"), newTenant()]) {
    expect((await server("DELETE", `/lake/tenants/${wrong}`)).status).toBe(404);
  }
  expect((await server("DELETE", `/lake/tenants/${tenantId}`)).status).toBe(204);
  const { tenants } = (await server("GET", "/lake")).body;
  expect(Object.values(tenants)).toEqual([{ prefix: "b" }]);
  expect((await server("DELETE", `/lake/tenants/${tenantId}`)).status).toBe(404);
});
