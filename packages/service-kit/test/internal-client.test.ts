import { afterAll, expect, test } from "bun:test";
import { DomainError } from "@payflow/contracts/errors.ts";
import { Type } from "@sinclair/typebox";
import { createInternalClient } from "../src/http/internal-client.ts";

const answer = Type.Object({ value: Type.Integer() });
let seen: { method: string; headers: Headers; body: string } | undefined;
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    seen = { method: request.method, headers: request.headers, body: await request.text() };
    if (pathname === "/slow") await Bun.sleep(2_000);
    if (pathname === "/elsewhere") return Response.redirect("http://127.0.0.1:1/", 302);
    if (pathname === "/text") return new Response("no JSON");
    if (pathname === "/good") return Response.json({ value: 1 });
    const problem = {
      code: searchParams.get("code"),
      detail: "told",
      errors: [{ pointer: "/a", message: "b" }],
    };
    const retryAfter = searchParams.get("after");
    return Response.json(problem, {
      status: Number(searchParams.get("status")),
      headers: retryAfter === null ? {} : { "retry-after": retryAfter },
    });
  },
});
afterAll(() => server.stop(true));

const secret = "s".repeat(32);
const client = createInternalClient({
  service: "The other app",
  baseUrl: `http://127.0.0.1:${server.port}/`,
  secret,
});
const refusal = async (path: string, baseUrl?: string) => {
  const of = baseUrl === undefined ? client : createInternalClient({ service: "It", baseUrl, secret });
  const error = await of.call("GET", path, undefined, { answer, timeoutMs: 200 }).catch((thrown) => thrown);
  if (!(error instanceof DomainError)) throw new Error(`expected a refusal, got ${error}`);
  return error;
};

test("a call carries the secret, the request's id and trace, and JSON", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const result = await client.call("PUT", "/good", { a: 1 }, { answer, requestId: "req_1", traceparent });
  expect(result).toEqual({ value: 1 });
  expect([seen?.method, seen?.body]).toEqual(["PUT", '{"a":1}']);
  expect(seen?.headers.get("x-internal-token")).toBe(secret);
  expect(seen?.headers.get("request-id")).toBe("req_1");
  // The same trace, with a span of the call's own.
  expect(seen?.headers.get("traceparent")?.slice(0, 35)).toBe(traceparent.slice(0, 35));
  expect(seen?.headers.get("content-type")).toBe("application/json");
});

test("with a bearer token, which is asked for anew, the secret stays at home; headers of the call go along", async () => {
  let count = 0;
  const baseUrl = `http://127.0.0.1:${server.port}`;
  const bearer = createInternalClient({ service: "It", baseUrl, secret: async () => `token-${++count}` });
  for (const token of ["token-1", "token-2"]) {
    await bearer.call("GET", "/good", undefined, { answer, headers: { "x-one": "1" } });
    expect(seen?.headers.get("authorization")).toBe(`Bearer ${token}`);
    expect([seen?.headers.get("x-internal-token"), seen?.headers.get("x-one")]).toEqual([null, "1"]);
  }
});

test.each([
  ["429", "rate_limited", "7", "7"],
  ["503", "unavailable", "30", "30"],
  ["503", "unavailable", "soon", "1"],
])("%s tells when to ask again", async (status, code, after, told) => {
  const error = await refusal(`/problem?status=${status}&code=${code}&after=${after}`);
  expect([error.reason as string, error.headers["retry-after"]]).toEqual([code, told]);
});

test("a refusal comes through as it was meant, with its fields", async () => {
  const error = await refusal("/problem?status=400&code=invalid_request");
  expect([error.reason, error.detail]).toEqual(["invalid_request", "told"]);
  expect(error.errors).toEqual([{ pointer: "/a", message: "b" }]);
});

test.each([
  "/slow",
  "/elsewhere",
  "/text",
  "/problem?status=500&code=internal_error",
  "/problem?status=401&code=invalid_internal_token",
  "/problem?status=400&code=constructor",
  "/problem?status=200&code=x",
])("%s means that the app is unavailable", async (path) => {
  const error = await refusal(path);
  expect([error.reason, error.headers["retry-after"]]).toEqual(["unavailable", "1"]);
});

test("nobody listening means that the app is unavailable", async () => {
  expect((await refusal("/", "http://127.0.0.1:9")).reason).toBe("unavailable");
});

test("a proxy named in the environment sees neither the call nor the secret", async () => {
  const proxied: string[] = [];
  const proxy = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      proxied.push(request.url);
      return Response.json({ value: 2 });
    },
  });
  const environment = { HTTP_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: "", no_proxy: "" };
  const before = Object.keys(environment).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, environment);
  try {
    // The proxy works for whoever does not turn it off.
    expect(await (await fetch(`http://127.0.0.1:${server.port}/good`)).json()).toEqual({ value: 2 });
    expect(await client.call("GET", "/good", undefined, { answer })).toEqual({ value: 1 });
    expect(proxied.length).toBe(1);
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await proxy.stop(true);
  }
});
