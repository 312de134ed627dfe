import { afterEach, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { createHttp } from "../src/http/server.ts";
import { createLogger } from "../src/telemetry/logging.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { SpanKind, startSpan, startTracing } from "../src/telemetry/tracing.ts";

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A real OTLP receiver that keeps what it is sent. */
function receiver() {
  const received: { path: string; body: string }[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      received.push({ path: new URL(request.url).pathname, body: await request.text() });
      return Response.json({});
    },
  });
  closers.push(() => server.stop(true));
  return { received, url: `http://127.0.0.1:${server.port}` };
}

test("without an endpoint a trace is handed on under a span of its own", () => {
  const traced = startSpan("work", SpanKind.INTERNAL, parent);
  expect(traced.traceparent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
  expect(traced.traceparent).not.toBe(parent);
  expect(startSpan("work", SpanKind.INTERNAL, "nonsense").traceparent).toMatch(
    /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/,
  );
});

test("with an endpoint a request's span reaches the collector with its route, status and the caller's trace", async () => {
  const { received, url } = receiver();
  const tracing = await startTracing("example", url);
  const metrics = new Metrics("example");
  const http = createHttp({
    service: "example",
    title: "Example",
    logger: createLogger("example", "silent"),
    metrics,
  });
  const app = http.app().use(http.routes("things").get("/things/:id", () => ({}), { access: "public" }));
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => app.fetch(request) });
  closers.push(() => server.stop(true));
  await fetch(`http://127.0.0.1:${server.port}/things/1`, { headers: { traceparent: parent } });
  await eventually(async () => expect(await metrics.text()).toContain('route="/things/:id"'));
  await tracing.close();
  await eventually(() => {
    const spans = received.map((one) => `${one.path} ${one.body}`).join();
    expect(spans).toContain("/v1/traces");
    expect(spans).toContain('"name":"GET /things/:id"');
    expect(spans).toContain('"traceId":"4bf92f3577b34da6a3ce929d0e0e4736"');
    expect(spans).toContain('"parentSpanId":"00f067aa0ba902b7"');
    expect(spans).toContain("payflow-example");
  });
});
