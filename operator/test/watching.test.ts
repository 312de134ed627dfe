import { afterAll, expect, test } from "bun:test";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { startWatching } from "../src/watching.ts";
import { FakeApiServer } from "./kubernetes/fake-api-server.ts";
import { connectTo, serve } from "./kubernetes/plain-connection.ts";

const ours = (plural: string) => `/apis/payflow.dev/v1alpha1/${plural}`;
const secrets = "/api/v1/secrets";
const closing: (() => unknown)[] = [];

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

test("whoever wants a Secret of that name hears of it at once, also those that it does not belong to", async () => {
  const server = new FakeApiServer();
  const listener = serve(server);
  const logger = createLogger("test", "silent");
  const heard: string[] = [];
  server.put(ours("tenants"), "shop/first", { spec: { apiKey: { secretName: "shared" } } });
  server.put(ours("tenants"), "shop/other", { spec: { apiKey: {} } });
  server.put(ours("tenants"), "elsewhere/first", { spec: { apiKey: { secretName: "shared" } } });
  server.put(ours("webhookendpoints"), "shop/hook", {
    spec: { tenantRef: { name: "other" }, signing: { secretName: "shared" } },
  });
  server.put(secrets, "shop/shared", {});
  const watching = startWatching({
    client: connectTo(listener.url, { metrics: new Metrics("test"), logger }),
    namespaces: [],
    logger,
    enqueue: {
      tenants: (key) => heard.push(`tenant ${key}`),
      endpoints: (key) => heard.push(`endpoint ${key}`),
      policies: () => {},
    },
  });
  closing.push(listener.stop, () => watching.stop());
  await watching.synced;
  const hears = async (expected: readonly string[]) => {
    await eventually(() => heard.length >= expected.length);
    expect(heard.splice(0).sort()).toEqual(expected.toSorted());
  };
  heard.length = 0;
  server.delete(secrets, "shop/shared");
  await hears(["endpoint shop/hook", "tenant shop/first"]);
  server.put(secrets, "shop/other-api-key", {});
  await hears(["tenant shop/other"]);
});
