import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { tenantKind } from "../../src/tenant/tenant.resource.ts";
import { patiently } from "../setup/patience.ts";
import { isSignedWith } from "../setup/receiver.ts";
import { type EndpointPlace, endpointPlace } from "./endpoints.ts";

setDefaultTimeout(300_000);

let endpoints: EndpointPlace;

beforeAll(async () => {
  endpoints = await endpointPlace();
}, 300_000);

afterAll(() => endpoints?.close());

test("an endpoint and its tenant may come in any order; what is sent can be checked by the Secret", async () => {
  const name = endpoints.newName("tenant");
  const endpoint = await endpoints.newEndpoint({ name });
  await endpoint.becomes("Ready", { status: "False", reason: "TenantNotFound" });
  expect(await endpoint.condition("Reconciling")).toMatchObject({ status: "True" });
  const tenant = await endpoints.newTenant({}, name);
  await endpoint.ready();
  expect(await endpoint.condition("Delivering")).toMatchObject({ status: "Unknown", reason: "NothingSent" });
  const message = await endpoint.receives(tenant);
  const secret = await endpoint.secret();
  expect(Object.keys(secret ?? {})).toEqual(["signing-secret"]);
  expect(isSignedWith(message, secret?.["signing-secret"])).toBe(true);
  await endpoint.becomes("Delivering", { status: "True" });
  const { status } = (await endpoint.get()) ?? {};
  expect(status).toMatchObject({
    observedGeneration: 1,
    secretName: `${endpoint.name}-signing-secret`,
    signing: { fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/), issuedAt: expect.any(String) },
    delivery: { lastStatusCode: 200, consecutiveFailures: 0, pending: 0, dead: 0 },
  });
  expect(status.tenantId).toStartWith("ten_");
  expect(status.endpointId).toStartWith("whe_");
  expect(status.delivery.lastSuccess).toEndWith("Z");
});

describe("from another namespace", () => {
  test("an endpoint learns nothing of a tenant that does not allow it, and gets nothing", async () => {
    const tenant = await endpoints.newTenant();
    const endpoint = await endpoints.newEndpoint(tenant, {}, endpoints.stranger);
    const refused = await endpoint.becomes("Stalled", { status: "True", reason: "TenantNotAllowed" });
    const nobody = await endpoints.newEndpoint({ name: "nobody" }, {}, endpoints.stranger);
    const missing = await nobody.becomes("Stalled", { status: "True", reason: "TenantNotAllowed" });
    expect(refused?.message.replace(tenant.name, "nobody")).toBe(missing?.message ?? "");
    expect((await endpoint.get())?.status.endpointId).toBeUndefined();
    expect(await endpoint.secret()).toBeUndefined();
  });

  test("one that is allowed is served until the tenant takes that back, and again when it allows it", async () => {
    const tenant = await endpoints.newTenant({ allowedNamespaces: [endpoints.stranger.name] });
    const [endpoint, own] = [
      await endpoints.newEndpoint(tenant, {}, endpoints.stranger),
      await endpoints.newEndpoint(tenant),
    ];
    await Promise.all([endpoint.ready(), own.ready()]);
    await endpoint.receives(tenant);
    await tenant.change({ allowedNamespaces: [] });
    await endpoint.becomes("Stalled", { status: "True", reason: "TenantNotAllowed" });
    await patiently(async () => {
      const id = (await endpoint.get())?.status.endpointId;
      const [row] = await endpoints.notifier`select enabled from endpoint where id = ${id}`;
      expect(row?.enabled).toBe(false);
    });
    const seen = endpoint.receiver.received.length;
    await own.receives(tenant);
    expect(endpoint.receiver.received.length).toBe(seen);
    await tenant.change({ allowedNamespaces: ["*"] });
    await endpoint.ready();
    await endpoint.receives(tenant);
  });
});

test("one that is paused gets nothing either once its tenant does not allow it", async () => {
  const tenant = await endpoints.newTenant({ allowedNamespaces: [endpoints.stranger.name] });
  const endpoint = await endpoints.newEndpoint(tenant, {}, endpoints.stranger);
  await endpoint.ready();
  await endpoint.annotate({ "payflow.dev/paused": "true" });
  await tenant.change({ allowedNamespaces: [] });
  await endpoint.becomes("Stalled", { status: "True", reason: "TenantNotAllowed" });
  const id = (await endpoint.get())?.status.endpointId;
  const [row] = await endpoints.notifier`select enabled from endpoint where id = ${id}`;
  expect(row?.enabled).toBe(false);
});

test("an endpoint of a tenant that was made again under its name sends nothing of the one before", async () => {
  const tenant = await endpoints.newTenant();
  const endpoint = await endpoints.newEndpoint(tenant);
  await endpoint.ready();
  const { endpointId: id, tenantId } = (await endpoint.get())?.status ?? {};
  // Both changes come in one pass, as while the operator is away.
  await endpoint.annotate({ "payflow.dev/paused": "true" });
  await endpoints.shop.remove(tenantKind, tenant.name);
  await patiently(async () => (await endpoints.shop.get(tenantKind, tenant.name)) === undefined);
  await endpoints.newTenant({ apiKey: { secretName: endpoints.newName("key") } }, tenant.name);
  await patiently(async () => {
    const status = (await endpoints.shop.get(tenantKind, tenant.name))?.status;
    return status?.tenantId !== undefined && status.tenantId !== tenantId;
  });
  await endpoint.annotate({ "payflow.dev/paused": null });
  await endpoint.becomes("Stalled", { status: "True", reason: "TenantReplaced" });
  const [row] = await endpoints.notifier`select enabled, tenant_id from endpoint where id = ${id}`;
  expect(row).toEqual({ enabled: false, tenant_id: tenantId });
});

test("a mode that the tenant has not is refused", async () => {
  const endpoint = await endpoints.newEndpoint(await endpoints.newTenant(), { mode: "live" });
  await endpoint.becomes("Stalled", { status: "True", reason: "ModeNotAvailable" });
});

test("what somebody changes in the notifier is put right, named in an Event and counted", async () => {
  const endpoint = await endpoints.newEndpoint(await endpoints.newTenant());
  await endpoint.ready();
  const id = (await endpoint.get())?.status.endpointId;
  await endpoints.notifier`update endpoint set url = 'http://127.0.0.1:9/', timeout_ms = 3000 where id = ${id}`;
  await patiently(async () => {
    const [row] = await endpoints.notifier`select url, timeout_ms from endpoint where id = ${id}`;
    expect(row).toEqual({ url: endpoint.receiver.url, timeout_ms: 15_000 });
  });
  await patiently(async () => {
    const [told] = (await endpoint.events()).filter(({ reason }) => reason === "DriftCorrected");
    expect(told?.message).toContain("url, delivery.timeoutSeconds");
  });
  expect(await endpoints.place.operators[0]?.metrics()).toMatch(
    /payflow_operator_drift_total\{kind="WebhookEndpoint",field="url",[^}]*\} 1/,
  );
});

test("in a cluster that has gone back in time an endpoint says so, until it is changed often enough", async () => {
  const endpoint = await endpoints.newEndpoint(await endpoints.newTenant());
  await endpoint.ready();
  const id = (await endpoint.get())?.status.endpointId;
  await endpoints.notifier`update governed_object set generation = 2 where id = ${id}`;
  await endpoint.becomes("Stalled", { status: "True", reason: "GenerationBehind" });
  await endpoint.change({ delivery: { maxAttempts: 5 } });
  await endpoint.change({ delivery: { maxAttempts: 6 } });
  await endpoint.ready();
});

test("a paused endpoint is left alone, its deletion too, until it is paused no longer", async () => {
  const endpoint = await endpoints.newEndpoint(await endpoints.newTenant());
  await endpoint.ready();
  const id = (await endpoint.get())?.status.endpointId;
  await endpoint.annotate({ "payflow.dev/paused": "true" });
  await endpoint.change({ events: ["refund.settled"] });
  await endpoint.remove();
  const other = await endpoints.newEndpoint(await endpoints.newTenant());
  await other.ready();
  const [row] = await endpoints.notifier`select events from endpoint where id = ${id}`;
  expect(row?.events).toEqual(["payment.settled"]);
  expect((await endpoint.get())?.metadata.deletionTimestamp).toBeString();
  await endpoint.annotate({ "payflow.dev/paused": null });
  await patiently(async () => (await endpoint.get()) === undefined);
});

describe("an endpoint that is deleted", () => {
  const waiting = async (spec: object) => {
    const tenant = await endpoints.newTenant();
    const endpoint = await endpoints.newEndpoint(tenant, spec);
    await endpoint.ready();
    endpoint.receiver.answerWith(503);
    await tenant.pay();
    await endpoint.becomes("Delivering", { status: "False", reason: "Failing" });
    await patiently(async () => expect((await endpoint.get())?.status.delivery.pending).toBe(1));
    return endpoint;
  };

  test("stays with its Secret until what waits was sent, and then both go", async () => {
    const endpoint = await waiting({ deletionPolicy: "Drain" });
    const { endpointId: id, tenantId } = (await endpoint.get())?.status ?? {};
    await endpoint.remove();
    await endpoint.becomes("Reconciling", { status: "True", reason: "Draining" });
    const secret = (await endpoint.secret())?.["signing-secret"];
    expect(secret).toBeString();
    endpoint.receiver.answerWith(200);
    await endpoints.notifier`update delivery_queue set due = now() where endpoint_id = ${id}`;
    await endpoints.notifier`update endpoint_queue set next_due = now(), paused_until = now() where endpoint_id = ${id}`;
    await endpoints.notifier`update tenant_queue set next_due = now() where tenant_id = ${tenantId}`;
    // It sleeps until the time that was known before.
    await endpoints.place.apps.installation.stopApp("notifier");
    await endpoints.place.apps.installation.startApp("notifier");
    await patiently(() => endpoint.receiver.received.length === 1);
    expect(isSignedWith(endpoint.receiver.received[0] as never, secret)).toBe(true);
    await patiently(async () => (await endpoint.get()) === undefined);
    await patiently(async () => (await endpoint.secret()) === undefined);
  });

  test("goes at once where that was asked for, and what waits is canceled", async () => {
    const endpoint = await waiting({ deletionPolicy: "Immediate" });
    await endpoint.remove();
    await patiently(async () => (await endpoint.get()) === undefined);
    await patiently(async () => (await endpoint.secret()) === undefined);
    expect(endpoint.receiver.received).toEqual([]);
  });
});

test("an endpoint that answered 410 is stalled and says so; a change of it enables it again", async () => {
  const tenant = await endpoints.newTenant();
  const endpoint = await endpoints.newEndpoint(tenant);
  await endpoint.ready();
  endpoint.receiver.answerWith(410);
  await tenant.pay();
  await endpoint.becomes("AutoDisabled", { status: "True", reason: "Gone" });
  expect(await endpoint.condition("Stalled")).toMatchObject({ status: "True", reason: "AutoDisabled" });
  expect(await endpoint.condition("Delivering")).toMatchObject({ status: "False" });
  endpoint.receiver.answerWith(200);
  await endpoint.change({ delivery: { maxAttempts: 5 } });
  await endpoint.ready();
  expect(await endpoint.condition("AutoDisabled")).toMatchObject({ status: "False" });
  await endpoint.receives(tenant);
});

test("the status tells of deliveries once in its period at most, however many there are", async () => {
  const tenant = await endpoints.newTenant();
  const endpoint = await endpoints.newEndpoint(tenant);
  await endpoint.ready();
  const mark = await endpoints.place.cluster.audit.mark();
  const startedAt = performance.now();
  for (let sent = 0; sent < 40; sent += 1) {
    await endpoint.receives(tenant);
    await endpoint.annotate({ "example.com/touched": `${sent}` });
  }
  const periods = (performance.now() - startedAt) / 1_000;
  await endpoint.becomes("Delivering", { status: "True" });
  const requests = await endpoints.place.cluster.audit.since(mark, endpoints.place.account.user);
  const written = requests.filter(
    ({ name, subresource }) => name === endpoint.name && subresource === "status",
  );
  expect(written.length).toBeGreaterThan(0);
  expect(written.length).toBeLessThanOrEqual(Math.ceil(periods) + 2);
});
