import { afterAll, describe, expect, test } from "bun:test";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { ApiError } from "../../src/kubernetes/client/api-error.ts";
import { Controller } from "../../src/kubernetes/controller/controller.ts";
import { FinalError, type Next, type Reconciler } from "../../src/kubernetes/controller/reconciler.ts";
import { createEventRecorder } from "../../src/kubernetes/events/event-recorder.ts";
import { addFinalizer, isBeingDeleted, removeFinalizer } from "../../src/kubernetes/objects/finalizers.ts";
import { nameOfKey } from "../../src/kubernetes/objects/object.ts";
import { createApplier } from "../../src/kubernetes/objects/server-side-apply.ts";
import { createQueueMetrics } from "../../src/kubernetes/queue/queue-metrics.ts";
import { WorkQueue } from "../../src/kubernetes/queue/work-queue.ts";
import { FakeApiServer, type StoredObject } from "./fake-api-server.ts";
import { connectTo, serve } from "./plain-connection.ts";
import { kind, things } from "./things.ts";

const logger = createLogger("test", "silent");
const closing: (() => unknown)[] = [];

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

interface Passes {
  readonly steps: string[];
  underWay: number;
  most: number;
}

/** A controller whose steps are recorded, and whose applying is the test's. */
function run(
  apply: (key: string) => Promise<void>,
  options: { readonly resyncMs?: number; readonly maxConcurrent?: number; readonly next?: Next } = {},
) {
  const metrics = new Metrics("test");
  const passes: Passes = { steps: [], underWay: 0, most: 0 };
  const reconciler: Reconciler<string, string, string> = {
    observe: async ({ key }) => (key === "gone" ? undefined : key),
    decide: (key) => `plan of ${key}`,
    async apply(plan, key) {
      passes.underWay += 1;
      passes.most = Math.max(passes.most, passes.underWay);
      passes.steps.push(plan);
      await apply(key).finally(() => {
        passes.underWay -= 1;
      });
      return "outcome";
    },
    async report(applied, key) {
      passes.steps.push(`${key} ${applied.isDone ? applied.outcome : String(applied.error)}`);
      return options.next;
    },
  };
  const queue = new WorkQueue({
    metrics: createQueueMetrics(metrics)("things"),
    backoff: { firstMs: 1, maxMs: 5 },
  });
  const controller = new Controller({
    ...{ name: "things", reconciler, queue, logger, metrics },
    ...{ maxConcurrent: options.maxConcurrent ?? 2, resyncMs: options.resyncMs ?? 60_000 },
  });
  const stopping = new AbortController();
  const running = controller.run(stopping.signal);
  const stop = () => {
    stopping.abort();
    return running;
  };
  closing.push(stop);
  return { controller, passes, metrics, stop };
}

describe("a controller", () => {
  test("observes, decides, applies and reports, and leaves alone what is gone", async () => {
    const { controller, passes, metrics } = run(async () => {});
    controller.enqueue("gone");
    controller.enqueue("one");
    await eventually(() => passes.steps.length === 2);
    expect(passes.steps).toEqual(["plan of one", "one outcome"]);
    await eventually(async () =>
      expect(await metrics.text()).toMatch(/reconcile_total\{controller="things",result="success",[^}]*\} 2/),
    );
  });

  test("tries a failure again until it passes, and reports it meanwhile", async () => {
    let failures = 3;
    const { controller, passes, metrics } = run(async () => {
      failures -= 1;
      if (failures >= 0) throw new Error("away");
    });
    controller.enqueue("one");
    await eventually(() => passes.steps.at(-1) === "one outcome");
    expect(passes.steps.filter((step) => step === "one Error: away").length).toBe(3);
    const text = await metrics.text();
    expect(text).toMatch(/controller_runtime_reconcile_errors_total\{[^}]*\} 3/);
    expect(text).toMatch(/workqueue_retries_total\{[^}]*\} 3/);
    expect(text).toMatch(/workqueue_depth\{name="things",controller="things",[^}]*\} 0/);
  });

  test("tries nothing again that only a change can help, and takes a conflict for no failure", async () => {
    let conflicts = 1;
    const { controller, passes, metrics } = run(async (key) => {
      if (key === "refused") throw new FinalError("too long");
      conflicts -= 1;
      if (conflicts >= 0) throw new ApiError(409, "Conflict", "changed");
    });
    controller.enqueue("refused");
    controller.enqueue("contended");
    await eventually(() => passes.steps.includes("contended outcome"));
    expect(passes.steps.filter((step) => step === "plan of refused").length).toBe(1);
    expect(passes.steps.some((step) => step.includes("changed"))).toBe(false);
    expect(await metrics.text()).toMatch(/controller_runtime_terminal_reconcile_errors_total\{[^}]*\} 1/);
  });

  test("waits ever longer for what no watch tells of, and counts a refusal each time", async () => {
    const waiting = { reason: "taken", backoff: { firstMs: 1, maxMs: 2 } };
    const refuse = async () => {
      throw new FinalError("taken by somebody else");
    };
    const { controller, passes, metrics, stop } = run(refuse, { next: { waiting } });
    controller.enqueue("one");
    await eventually(() => passes.steps.length >= 10);
    await stop();
    const failures = passes.steps.filter((step) => step.endsWith("taken by somebody else")).length;
    const counted = new RegExp(`terminal_reconcile_errors_total\\{[^}]*\\} ${failures}\\n`);
    expect(await metrics.text()).toMatch(counted);
    expect(await metrics.text()).toMatch(/workqueue_retries_total\{[^}]*\} 0/);
  });

  test("has as many passes under way as it may, and never two over one object", async () => {
    const running = new Set<string>();
    const { controller, passes } = run(
      async (key) => {
        expect(running.has(key)).toBe(false);
        running.add(key);
        controller.enqueue(key === "0" && passes.steps.length < 20 ? "0" : "gone");
        await new Promise<void>((resolve) => setTimeout(resolve, 1));
        running.delete(key);
      },
      { maxConcurrent: 3 },
    );
    for (let key = 0; key < 10; key += 1) controller.enqueue(String(key));
    await eventually(() => passes.steps.filter((step) => step.endsWith("outcome")).length >= 12);
    expect(passes.most).toBe(3);
  });

  test("looks at everything again after a while although nothing changed", async () => {
    const { controller, passes } = run(async () => {}, { resyncMs: 20 });
    controller.enqueue("one");
    await eventually(() => passes.steps.filter((step) => step === "one outcome").length >= 3);
  });

  test("begins nothing after it was stopped, and waits for what is under way", async () => {
    let release = () => {};
    const { controller, passes, stop } = run(
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    controller.enqueue("one");
    await eventually(() => passes.underWay === 1);
    const stopped = stop();
    controller.enqueue("two");
    release();
    await stopped;
    expect(passes.underWay).toBe(0);
    expect(passes.steps).not.toContain("plan of two");
  });
});

describe("against a server", () => {
  const server = new FakeApiServer();
  const listener = serve(server);
  const client = connectTo(listener.url, { metrics: new Metrics("test"), logger });
  closing.push(listener.stop);

  test("a finalizer keeps a deleted object until it is taken away", async () => {
    const made = server.put(things, "a/kept", {});
    const held = await addFinalizer(client, kind, made, "example.org/cleanup");
    await expect(addFinalizer(client, kind, made, "example.org/other")).rejects.toMatchObject({
      status: 409,
    });
    await client.remove(kind, nameOfKey("a/kept"));
    const deleted = await client.get<StoredObject>(kind, held.metadata);
    expect(deleted !== undefined && isBeingDeleted(deleted)).toBe(true);
    await removeFinalizer(client, kind, deleted ?? made, "example.org/cleanup");
    expect(await client.get(kind, held.metadata)).toBeUndefined();
    await removeFinalizer(client, kind, deleted ?? made, "example.org/cleanup");
    await client.remove(kind, nameOfKey("a/kept"));
  });

  test("applying names the one field manager, and sends nothing where all is as wanted", async () => {
    const made = server.put(things, "a/applied", {});
    const applier = createApplier(client, "us");
    const desired = { metadata: { namespace: "a", name: "applied" }, spec: { size: 3 } };
    const applied = await applier.apply<StoredObject>(kind, desired, made);
    expect(applied.spec).toEqual({ size: 3 });
    const { path, headers } = server.requests.at(-1) ?? { path: "", headers: new Headers() };
    expect(path).toEndWith("/things/applied?fieldManager=us&force=true");
    expect(headers.get("content-type")).toBe("application/apply-patch+yaml");
    const owned = { manager: "us", operation: "Apply", fieldsV1: { "f:spec": { "f:size": {} } } };
    const live = { ...applied, metadata: { ...applied.metadata, managedFields: [owned] } };
    const before = server.requests.length;
    expect(await applier.apply(kind, desired, live)).toBe(live);
    expect(server.requests.length).toBe(before);
    const stale = { ...desired, metadata: { ...desired.metadata, resourceVersion: "1" }, spec: { size: 4 } };
    await expect(applier.apply(kind, stale, live)).rejects.toMatchObject({ status: 409 });
    await applier.applyStatus(kind, { ...desired, status: { seen: 1 } }, live);
    expect(server.requests.at(-1)?.path).toContain("/things/applied/status?");
  });

  test("what happens again and again is one Event with a count", async () => {
    let now = Date.parse("2026-01-01T00:00:00Z");
    const recorder = createEventRecorder({
      ...{ client, controller: "example.org/test", instance: "one", logger, now: () => now },
    });
    const object = server.put(things, "a/eventful", {});
    const happening = { type: "Warning", reason: "Refused", action: "Apply", note: "Taken." } as const;
    for (let count = 0; count < 5; count += 1) recorder.record(kind, object, happening);
    await recorder.flush();
    now += 61_000;
    await recorder.flush();
    const stored = [...server.stored("/apis/events.k8s.io/v1/events").values()];
    expect(stored).toMatchObject([
      {
        ...{ type: "Warning", reason: "Refused", note: "Taken.", reportingController: "example.org/test" },
        ...{ eventTime: "2026-01-01T00:00:00.000000Z", regarding: { kind: "Thing", name: "eventful" } },
        series: { count: 5, lastObservedTime: "2026-01-01T00:00:00.000000Z" },
      },
    ]);
  });
});
