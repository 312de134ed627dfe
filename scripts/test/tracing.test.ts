import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { Redis } from "ioredis";
import { documentedRoutes } from "./platform/open-api.ts";
import { startCollector } from "./platform/otlp.ts";
import { call, pay, raiseLimits, registerTenant, type TestTenant } from "./platform/platform.ts";
import { Truth } from "./platform/truth.ts";

setDefaultTimeout(60_000);

interface Webhook {
  readonly event: string;
  readonly paymentId: string;
  readonly headers: Headers;
}

let installation: RunningInstallation;
let truth: Truth;
let bus: Redis;
let tenant: TestTenant;
let receiver: ReturnType<typeof startReceiver>;
const collector = startCollector();
const webhooks: Webhook[] = [];

function startReceiver() {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const body = (await request.json()) as { event: string; payment_id: string };
      webhooks.push({ event: body.event, paymentId: body.payment_id, headers: request.headers });
      return new Response(null, { status: 204 });
    },
  });
}

beforeAll(async () => {
  receiver = startReceiver();
  installation = await startInstallation({
    isDurable: false,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: "200",
      LOG_LEVEL: "debug",
    },
  });
  truth = new Truth(installation);
  bus = new Redis(installation.durableRedisUrl);
  tenant = await registerTenant(installation);
  await raiseLimits(installation, tenant);
  const hook = await call(`${installation.url("tenant")}/tenants/${tenant.tenantId}/webhook`, "PUT", {
    key: tenant.liveKey,
    body: { url: `http://127.0.0.1:${receiver.port}/hook` },
  });
  expect(hook.status).toBe(200);
}, 90_000);

afterAll(async () => {
  bus?.disconnect();
  await truth?.close();
  await receiver?.stop(true);
  await installation?.stop();
  await collector.stop();
});

/** What a caller of ours sends along, and what it is known by. */
function newTrace() {
  const traceId = randomBytes(16).toString("hex");
  const requestId = `of-the-caller-${randomBytes(4).toString("hex")}`;
  const spanId = randomBytes(8).toString("hex");
  const headers = { traceparent: `00-${traceId}-${spanId}-01`, "request-id": requestId };
  return { traceId, spanId, requestId, headers };
}

async function post(route: string, trace: ReturnType<typeof newTrace>, body: unknown) {
  const { headers } = trace;
  return call(installation.url("payment") + route, "POST", { key: tenant.liveKey, body, headers });
}

/** The spans of a trace, once there are those that the check wants. */
function spansOf(traceId: string, wanted: readonly string[]) {
  return eventually(
    () => {
      const found = collector.spans.filter((span) => span.traceId === traceId);
      const names = found.map((span) => `${span.service} ${span.name}`);
      expect(names).toEqual(expect.arrayContaining([...wanted]));
      return found;
    },
    { timeoutMs: 20_000 },
  );
}

/** The envelopes on the bus that one request caused. */
async function eventsOf(requestId: string) {
  const keys = await bus.keys("*");
  const streams: string[] = [];
  for (const key of keys) if ((await bus.type(key)) === "stream") streams.push(key);
  const entries = await Promise.all(streams.map((key) => bus.xrange(key, "-", "+")));
  return entries
    .flat()
    .flatMap(([, fields]) => fields)
    .filter((text) => text.startsWith("{"))
    .map((text) => JSON.parse(text))
    .filter((event) => event.request_id === requestId);
}

function webhooksOf(requestId: string, expected: readonly string[]) {
  return eventually(
    () => {
      const found = webhooks.filter(({ headers }) => headers.get("request-id") === requestId);
      expect(found.map(({ event }) => event).sort()).toEqual([...expected].sort());
      return found;
    },
    { timeoutMs: 20_000 },
  );
}

describe("a payment's trace", () => {
  test("runs from the caller through payment, fraud, ledger and notifier to the webhook", async () => {
    const trace = newTrace();
    const paid = await post("/payments", trace, { amount: 1_200, currency: "INR", customer_id: "quiet" });
    expect(paid.status).toBe(201);
    expect(paid.headers.get("request-id")).toBe(trace.requestId);
    const spans = await spansOf(trace.traceId, [
      "payflow-payment POST /payments",
      "payflow-fraud POST /internal/v1/scores",
      "payflow-ledger process payment.settled",
      "payflow-notifier process payment.created",
      "payflow-notifier process payment.settled",
      "payflow-notifier POST webhook",
      "payflow-fraud process payment.settled",
    ]);
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    const root = spans.find(({ name }) => name === "POST /payments");
    expect(root?.parentSpanId).toBe(trace.spanId);
    expect(root?.attributes["http.response.status_code"]).toBe(201);
    // Every other span hangs on one of this trace: none is an orphan.
    for (const span of spans.filter((one) => one !== root)) {
      expect([span.name, byId.has(span.parentSpanId ?? "")]).toEqual([span.name, true]);
    }
    const scoring = spans.find(({ name }) => name === "POST /internal/v1/scores");
    expect(byId.get(scoring?.parentSpanId ?? "")?.service).toBe("payflow-payment");

    const received = await webhooksOf(trace.requestId, ["payment.created", "payment.settled"]);
    for (const { headers } of received) expect(headers.get("traceparent")?.slice(3, 35)).toBe(trace.traceId);
    const events = await eventsOf(trace.requestId);
    expect(events.map((event) => event.traceparent?.slice(3, 35))).toEqual(events.map(() => trace.traceId));
  });

  test("takes along flags, captures and refunds, each in the trace of the request that caused it", async () => {
    const [first, second, third] = [newTrace(), newTrace(), newTrace()];
    const held = await post("/payments", first, {
      amount: 700_000,
      currency: "INR",
      capture_method: "manual",
      customer_id: "large",
    });
    expect(held.body.status).toBe("flagged");
    const { payment_id: id } = held.body;
    const approval = await post(`/payments/${id}/review`, second, { decision: "approve" });
    expect(approval.body.status).toBe("authorized");
    expect((await post(`/payments/${id}/capture`, third, {})).body.status).toBe("succeeded");
    const fourth = newTrace();
    expect((await post(`/payments/${id}/refunds`, fourth, { amount: 100 })).status).toBe(201);
    await webhooksOf(first.requestId, ["payment.created", "payment.authorized", "fraud.flagged"]);
    await webhooksOf(second.requestId, ["payment.authorized"]);
    await webhooksOf(third.requestId, ["payment.settled"]);
    await webhooksOf(fourth.requestId, ["refund.initiated", "refund.settled"]);
    for (const trace of [first, second, third, fourth]) {
      const events = await eventsOf(trace.requestId);
      expect(events).not.toBeEmpty();
      for (const event of events) {
        expect([event.type, event.traceparent?.slice(3, 35)]).toEqual([event.type, trace.traceId]);
      }
      const own = webhooks.filter(({ headers }) => headers.get("request-id") === trace.requestId);
      for (const { headers } of own) expect(headers.get("traceparent")?.slice(3, 35)).toBe(trace.traceId);
    }
    await spansOf(fourth.traceId, ["payflow-ledger process refund.settled"]);
    await spansOf(first.traceId, ["payflow-payment process fraud.flagged"]);
  });

  test("is found from each of many payments at once: in a batch's span, or linked to it", async () => {
    const traces = Array.from({ length: 60 }, newTrace);
    await Promise.all(
      traces.map((trace) =>
        post("/payments", trace, { amount: 100, currency: "INR", customer_id: trace.requestId }),
      ),
    );
    await eventually(
      () => {
        for (const [service, name] of [
          ["payflow-ledger", "process payment.settled"],
          ["payflow-payment", "POST The fraud service"],
        ]) {
          const spans = collector.spans.filter((span) => span.service === service && span.name === name);
          const reached = new Set(spans.flatMap((span) => [span.traceId, ...span.linkedTraceIds]));
          const missing = traces.filter(({ traceId }) => !reached.has(traceId)).length;
          expect([name, missing]).toEqual([name, 0]);
        }
      },
      { timeoutMs: 20_000 },
    );
    expect(collector.refused).toEqual([]);
  });

  test("goes on after fraud was away, into the flag of the second look", async () => {
    const trace = newTrace();
    await installation.installation.stopApp("fraud");
    const held = await post("/payments", trace, { amount: 900, currency: "EUR", customer_id: "unscored" });
    expect(held.body).toMatchObject({ status: "flagged", fraud: { decision: "review" } });
    await installation.installation.startApp("fraud");
    const received = await webhooksOf(trace.requestId, [
      "payment.created",
      "payment.authorized",
      "fraud.flagged",
    ]);
    for (const { headers } of received) expect(headers.get("traceparent")?.slice(3, 35)).toBe(trace.traceId);
  });
});

describe("the request id", () => {
  test("is on every answer of every app, whatever the status", async () => {
    for (const route of await documentedRoutes(installation)) {
      const url = installation.url(route.app) + route.path.replace(/\{\w+\}/, "nothing");
      for (const key of [undefined, tenant.liveKey]) {
        const answer = await call(url, route.method, key === undefined ? {} : { key });
        expect([route.path, answer.headers.get("request-id")]).toEqual([route.path, expect.any(String)]);
        if (answer.status >= 400 && answer.status !== 402) {
          expect(answer.body.request_id).toBe(answer.headers.get("request-id"));
        }
      }
    }
    for (const app of ["tenant", "payment", "ledger", "fraud", "notifier"]) {
      for (const path of ["/health", "/openapi.json", "/docs", "/nothing"]) {
        const response = await fetch(installation.url(app) + path);
        expect([app, path, response.headers.get("request-id")]).toEqual([app, path, expect.any(String)]);
      }
    }
  });

  test("and the trace id are on the log line of a request that failed", async () => {
    const trace = newTrace();
    await installation.installation.stopStore("postgres");
    const failed = await call(`${installation.url("payment")}/payments`, "POST", {
      key: tenant.liveKey,
      body: { amount: 100, currency: "INR" },
      headers: trace.headers,
    });
    expect(failed.status).toBe(503);
    await installation.installation.startStore("postgres");
    const line = await eventually(() => {
      const found = logLines("payment-1.log").find((one) => one.request_id === trace.requestId);
      expect(found).toBeDefined();
      return found;
    });
    expect(line).toMatchObject({ tenant_id: tenant.tenantId, trace_id: trace.traceId, path: "/payments" });
    await eventually(async () => expect((await pay(installation, tenant.liveKey)).status).toBe(201), {
      timeoutMs: 20_000,
    });
  });
});

function logLines(file: string): Record<string, unknown>[] {
  const folder = path.join(installation.state, "logs");
  expect(readdirSync(folder)).toContain(file);
  return readFileSync(path.join(folder, file), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}
