import { describe, expect, test } from "bun:test";
import { defaultLimits } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { Type } from "@sinclair/typebox";
import type { KnownKey } from "../src/http/access.ts";
import { answerDirectly, createDoor, type DirectRoute } from "../src/http/door.ts";
import { LateAnswers } from "../src/http/late-answers.ts";
import { operation } from "../src/http/operation.ts";
import { createHttp } from "../src/http/server.ts";
import { createLogger } from "../src/telemetry/logging.ts";
import { Metrics } from "../src/telemetry/metrics.ts";

const keys: Readonly<Record<string, KnownKey>> = {
  good: { tenantId: "ten_1", mode: "live", keyId: "key_1", scopes: ["events:write"], limits: defaultLimits },
  asked: { tenantId: "ten_2", mode: "test", keyId: "key_2", scopes: ["events:write"], limits: defaultLimits },
  weak: { tenantId: "ten_1", mode: "live", keyId: "key_3", scopes: ["events:read"], limits: defaultLimits },
};

const route: DirectRoute = {
  path: "/things",
  scope: "events:write",
  async answer(request, facts, tenant) {
    const text = await request.text();
    facts.headers = { ratelimit: '"things";r=1;t=1' };
    if (text === "refuse")
      throw new DomainError("event_conflict", "so it is", { headers: { "x-why": "so" } });
    if (text === "break") throw new Error("the secret reason");
    return { status: 202, json: JSON.stringify({ text, tenant: tenant.tenantId, id: tenant.requestId }) };
  },
};

function service() {
  const lines: string[] = [];
  const metrics = new Metrics("example");
  const http = createHttp({
    service: "example",
    title: "Example",
    logger: createLogger("example", "info", { write: (line) => lines.push(line) }),
    metrics,
    authenticator: {
      recall(key) {
        if (key === "wrong") throw new DomainError("invalid_api_key");
        return key === "asked" || key === "away" ? undefined : keys[key];
      },
      async authenticate(key) {
        const known = keys[key];
        if (known === undefined) throw new DomainError(key === "away" ? "unavailable" : "invalid_api_key");
        return known;
      },
    },
  });
  const body = Type.Object({ text: Type.String() });
  const routes = http
    .routes("things")
    .post(route.path, ({ request }) => answerDirectly(http.options, route, request), {
      direct: route.scope,
      detail: operation({
        summary: "Makes a thing",
        responses: { 202: body },
        bodies: { "application/json": body, "application/x-ndjson": Type.Any() },
      }),
    })
    .get("/things", () => [], { access: "events:read" });
  return { app: http.app().use(routes), door: createDoor(http.options, [route]), metrics, lines };
}

type Init = { key?: string; bearer?: string; body?: string };

function request(path: string, { key, bearer, body = "text" }: Init = { key: "good" }, method = "POST") {
  return new Request(`http://localhost${path}`, {
    method,
    headers: {
      "request-id": "req-1",
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      ...(key === undefined ? {} : { "x-api-key": key }),
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
    },
    ...(method === "POST" ? { body } : {}),
  });
}

async function read(response: Response) {
  return {
    status: response.status,
    headers: Object.fromEntries([...response.headers].sort()),
    body: await response.text(),
  };
}

/** What a log line tells but for the time, and the way that an error took. */
function withoutStack(line: string) {
  const { time, err, ...rest } = JSON.parse(line);
  return { ...rest, error: err?.message };
}

/** What the door answers, once it is shown that the app answers the same. */
async function both(...how: Parameters<typeof request>) {
  const { app, door, metrics, lines } = service();
  const direct = await door(request(...how));
  if (direct === undefined) throw new Error("not a request for the door");
  const answer = await read(direct);
  const told = lines.splice(0).map(withoutStack);
  expect(await read(await app.handle(request(...how)))).toEqual(answer);
  expect(lines.map(withoutStack)).toEqual(told);
  const counted = `method="POST",route="/things",status="${answer.status}"} 2\n`;
  // Elysia ends a request after it has been answered.
  await eventually(async () => (await metrics.text()).includes(counted));
  return answer;
}

describe("a direct route is answered the same by the door and by the app", () => {
  test("for a key in memory, a key that has to be asked for, and a bearer token", async () => {
    for (const how of [{ key: "good" }, { key: "asked" }, { bearer: "good" }]) {
      const { status, headers, body } = await both("/things", how);
      expect(status).toBe(202);
      expect(headers).toEqual({
        "content-type": "application/json",
        ratelimit: '"things";r=1;t=1',
        "request-id": "req-1",
      });
      expect(JSON.parse(body)).toEqual({
        text: "text",
        tenant: how.key === "asked" ? "ten_2" : "ten_1",
        id: "req-1",
      });
    }
  });

  test.each<[string, string, Init, number, string]>([
    ["no key", "/things", {}, 401, "invalid_api_key"],
    ["a key known to be wrong", "/things", { key: "wrong" }, 401, "invalid_api_key"],
    ["a key found to be wrong", "/things", { key: "nobody" }, 401, "invalid_api_key"],
    ["a key that nobody can vouch for", "/things", { key: "away" }, 503, "unavailable"],
    ["a key without the scope", "/things", { key: "weak" }, 403, "insufficient_scope"],
    ["an unknown query field", "/things?a=1&a=2&b", { key: "good" }, 400, "invalid_request"],
    ["a refusal of the route's", "/things", { key: "good", body: "refuse" }, 409, "event_conflict"],
    ["a bug", "/things", { key: "good", body: "break" }, 500, "internal_error"],
  ])("with %s", async (_, path, how, status, code) => {
    const { headers, body, ...answer } = await both(path, how);
    expect(answer.status).toBe(status);
    expect(headers["content-type"]).toBe("application/problem+json");
    expect(headers["request-id"]).toBe("req-1");
    expect(headers.ratelimit).toBe(
      code === "event_conflict" || status === 500 ? '"things";r=1;t=1' : undefined,
    );
    expect(JSON.parse(body)).toMatchObject({ status, code, request_id: "req-1" });
    expect(body).not.toContain("secret reason");
    if (path.includes("?")) {
      expect(JSON.parse(body).errors.map((one: { pointer: string }) => one.pointer)).toEqual([
        "#/query/a",
        "#/query/b",
      ]);
    }
  });
});

test("answers of one turn have headers of their own each, though they share those of their policy", async () => {
  const { metrics } = service();
  const told: Record<string, string>[] = [
    { "ratelimit-policy": '"a";q=5;w=1', ratelimit: '"a";r=4;t=1' },
    { "ratelimit-policy": '"a";q=5;w=1', ratelimit: '"a";r=3;t=1', "x-more": "once" },
    { "ratelimit-policy": '"a";q=5;w=1', ratelimit: '"a";r=2;t=1' },
    { "ratelimit-policy": '"b";q=9;w=1', ratelimit: '"b";r=8;t=1' },
    { "x-other": "1", ratelimit: '"a";r=1;t=1' },
  ];
  const logger = createLogger("example", "info", { write: () => {} });
  const authenticator = { authenticate: async () => keys.good as KnownKey };
  const door = createDoor({ service: "example", title: "Example", logger, metrics, authenticator }, [
    {
      ...route,
      async answer(asked, facts) {
        const headers = told[Number(await asked.text())];
        if (headers !== undefined) facts.headers = headers;
        return { status: 202, json: "{}" };
      },
    },
  ]);
  const answers = await Promise.all(
    told.map((_, index) => door(request("/things", { key: "good", body: `${index}` }))),
  );
  const own = { "content-type": "application/json", "request-id": "req-1" };
  expect(answers.map((answer) => Object.fromEntries(answer?.headers ?? []))).toEqual(
    told.map((headers) => ({ ...own, ...headers })),
  );
});

test("a request that cannot even begin fails alone, and the others of its turn are answered", async () => {
  class Broken extends LateAnswers {
    override begin(): never {
      throw new Error("the secret reason");
    }
  }
  const { door } = service();
  const late = [new LateAnswers(60_000), new Broken(60_000), new LateAnswers(60_000)];
  const [first, second, third] = late.map((one) => door(request("/things"), one));
  expect(second).rejects.toThrow("the secret reason");
  expect([(await first)?.status, (await third)?.status]).toEqual([202, 202]);
});

test("the door leaves other paths, methods and hosts that are none to the app", () => {
  const { door } = service();
  for (const path of ["/thing", "/things/", "/things/1", "/Things", "//things", "/%74hings"]) {
    expect(door(request(path))).toBeUndefined();
  }
  expect(door(request("/things", { key: "good" }, "GET"))).toBeUndefined();
});

test("the document tells a direct route's scope and the media types of its body", async () => {
  const { app } = service();
  const document = await (await app.handle(new Request("http://localhost/openapi.json"))).text();
  const { post } = JSON.parse(document).paths["/things"];
  expect(post["x-scope"]).toBe("events:write");
  expect(post.requestBody.required).toBe(true);
  expect(Object.keys(post.requestBody.content)).toEqual(["application/json", "application/x-ndjson"]);
  expect(Object.keys(post.responses)).toEqual(expect.arrayContaining(["202", "401", "403", "413", "415"]));
  const page = await (await app.handle(new Request("http://localhost/docs"))).text();
  expect(page).toContain("<code>application/x-ndjson</code>");
});
