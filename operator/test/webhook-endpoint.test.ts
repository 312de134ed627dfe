import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import postgres, { type Sql } from "postgres";
import { tenantKind } from "../src/tenant/tenant.resource.ts";
import { webhookEndpointKind as kind } from "../src/webhook-endpoint/webhook-endpoint.resource.ts";
import { isSignedWith, type Receiver, startReceiver } from "./setup/receiver.ts";
import { conditionOf, type Namespace, secretKind } from "./setup/resources.ts";
import { Workplace } from "./setup/workplace.ts";

setDefaultTimeout(60_000);

let place: Workplace;
let shop: Namespace;
let stranger: Namespace;
let notifier: Sql;
const receivers: Receiver[] = [];

beforeAll(async () => {
  place = await Workplace.make({ namespaces: 2, env: { DELIVERY_STATUS_SECONDS: "1" } });
  [shop, stranger] = place.namespaces as [Namespace, Namespace];
  notifier = postgres(place.apps.databaseUrl("notifier", "superuser"), { max: 2, onnotice: () => {} });
  await place.startOperator();
}, 300_000);

afterAll(async () => {
  for (const receiver of receivers) receiver.close();
  await notifier?.end({ timeout: 2 });
  await place?.close();
});

let count = 0;
const newName = (what: string) => `${what}-${++count}`;

/** A tenant of a test's own, with a key that works. */
async function newTenant(spec: object = {}, name = newName("tenant")) {
  await shop.create(tenantKind, name, {
    ...{ displayName: "Acme", contactEmail: "owner@example.com", mode: "test", currency: "INR" },
    ...spec,
  });
  return {
    name,
    change: (changed: object) => shop.patch(tenantKind, name, { spec: changed }),
    /** Takes a payment; what is settled is told to the endpoints. */
    async pay(): Promise<string> {
      const key = await eventually(async () => (await shop.secret(`${name}-api-key`))?.["api-key"] ?? false);
      const answer = await fetch(`${place.apps.url("payment")}/payments`, {
        method: "POST",
        headers: {
          ...{ "x-api-key": key, "content-type": "application/json" },
          "idempotency-key": crypto.randomUUID(),
        },
        body: JSON.stringify({ amount: 100, currency: "INR" }),
      });
      expect(answer.status).toBe(201);
      return ((await answer.json()) as { payment_id: string }).payment_id;
    },
  };
}

type Tenant = Awaited<ReturnType<typeof newTenant>>;

/** An endpoint with a receiver of its own. */
async function newEndpoint(tenant: { readonly name: string }, spec: object = {}, from = shop) {
  const receiver = startReceiver();
  receivers.push(receiver);
  const name = newName("hook");
  const tenantRef = { name: tenant.name, ...(from === shop ? {} : { namespace: shop.name }) };
  await from.create(kind, name, {
    ...{ tenantRef, mode: "test", url: receiver.url, events: ["payment.settled"], ...spec },
  });
  const get = () => from.get(kind, name);
  return {
    name,
    receiver,
    get,
    condition: async (type: string) => conditionOf(await get(), type),
    change: (changed: object) => from.patch(kind, name, { spec: changed }),
    annotate: (annotations: Readonly<Record<string, string | null>>) =>
      from.annotate(kind, name, annotations),
    remove: () => from.remove(kind, name),
    secret: () => from.secret(`${name}-signing-secret`),
    /** Waits until a condition is as said, for this generation, and returns it. */
    becomes: (type: string, expected: object) =>
      eventually(
        async () => {
          const found = conditionOf(await get(), type);
          expect(found).toMatchObject(expected);
          return found;
        },
        { timeoutMs: 20_000 },
      ),
    ready: () => eventually(async () => conditionOf(await get(), "Ready")?.status === "True"),
    /** What the receiver gets of one payment. */
    async receives(payer: Tenant) {
      const id = await payer.pay();
      return eventually(() => receiver.received.find(({ body }) => body.payment_id === id) ?? false);
    },
    events: async () => {
      const { stdout } = await place.cluster.kubectl(["get", "events", "-n", from.name, "-o", "json"]);
      const { items } = JSON.parse(stdout) as {
        items: { reason: string; message: string; involvedObject: { name: string } }[];
      };
      return items.filter(({ involvedObject }) => involvedObject.name === name);
    },
  };
}

test("an endpoint and its tenant may come in any order; what is sent can be checked by the Secret", async () => {
  const endpoint = await newEndpoint({ name: `tenant-${count + 2}` });
  await endpoint.becomes("Ready", { status: "False", reason: "TenantNotFound" });
  expect(await endpoint.condition("Reconciling")).toMatchObject({ status: "True" });
  const tenant = await newTenant();
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

test("rotate-now is followed once: both secrets sign for the overlap, and then the new one alone", async () => {
  const tenant = await newTenant();
  const rotation = { policy: "Manual", overlap: "8s" };
  const endpoint = await newEndpoint(tenant, { signing: { rotation } });
  await endpoint.ready();
  const first = (await endpoint.secret())?.["signing-secret"];
  await endpoint.annotate({ "payflow.dev/rotate-now": "1" });
  await endpoint.becomes("KeyRotating", { status: "True" });
  const rotated = await endpoint.secret();
  expect(rotated?.["signing-secret-previous"]).toBe(first);
  expect(rotated?.["signing-secret"]).not.toBe(first);
  const during = await endpoint.receives(tenant);
  expect([isSignedWith(during, first), isSignedWith(during, rotated?.["signing-secret"])]).toEqual([
    true,
    true,
  ]);
  expect((await endpoint.get())?.status).toMatchObject({
    lastHandledRotateNow: "1",
    signing: { previousExpiresAt: expect.any(String) },
  });
  await endpoint.becomes("KeyRotating", { status: "False" });
  await eventually(async () =>
    expect(Object.keys((await endpoint.secret()) ?? {})).toEqual(["signing-secret"]),
  );
  const after = await endpoint.receives(tenant);
  expect([isSignedWith(after, first), isSignedWith(after, rotated?.["signing-secret"])]).toEqual([
    false,
    true,
  ]);
  expect((await endpoint.secret())?.["signing-secret"]).toBe(rotated?.["signing-secret"]);
  expect((await endpoint.events()).map(({ reason }) => reason)).toContain("SecretRotated");
});

test("a Secret that was deleted or edited by hand is put right with a new secret, and an Event says so", async () => {
  const tenant = await newTenant();
  const endpoint = await newEndpoint(tenant);
  await endpoint.ready();
  const name = `${endpoint.name}-signing-secret`;
  const first = (await endpoint.secret())?.["signing-secret"];
  const spoil = [
    () => shop.remove(secretKind, name),
    () => shop.patch(secretKind, name, { data: { "signing-secret": btoa("whsec_of-somebody-else") } }),
  ];
  for (const [index, spoiled] of spoil.entries()) {
    const before = (await endpoint.secret())?.["signing-secret"];
    await spoiled();
    const made = await eventually(async () => {
      const found = (await endpoint.secret())?.["signing-secret"];
      return found?.length === before?.length && found !== before && found;
    });
    expect(made).not.toBe(first);
    await eventually(async () => expect(isSignedWith(await endpoint.receives(tenant), made)).toBe(true));
    await eventually(async () => {
      const told = (await endpoint.events()).filter(({ reason }) => reason === "SecretRestored");
      expect(told).toHaveLength(index + 1);
    });
  }
});

test("a Secret that is not the endpoint's own is never touched, and is said to be in the way", async () => {
  const tenant = await newTenant();
  const name = newName("mine");
  await place.cluster.kubectl(["create", "secret", "generic", name, "-n", shop.name, "--from-literal=a=b"]);
  const before = await shop.get(secretKind, name);
  const endpoint = await newEndpoint(tenant, { signing: { secretName: name } });
  await endpoint.becomes("Stalled", { status: "True", reason: "SecretNotOwned" });
  expect(await endpoint.condition("SecretReady")).toMatchObject({ status: "False" });
  await endpoint.annotate({ "payflow.dev/force-sync": "1" });
  await endpoint.becomes("Stalled", { status: "True" });
  expect(await shop.get(secretKind, name)).toEqual(before);
  const other = await newEndpoint(tenant, { signing: { secretName: name } });
  await other.becomes("Stalled", { status: "True", reason: "SecretNotOwned" });
  await other.remove();
  await eventually(async () => (await other.get()) === undefined);
  expect(await shop.get(secretKind, name)).toEqual(before);
  await shop.remove(secretKind, name);
  await endpoint.annotate({ "payflow.dev/force-sync": "2" });
  await endpoint.ready();
});

describe("from another namespace", () => {
  test("an endpoint learns nothing of a tenant that does not allow it, and gets nothing", async () => {
    const tenant = await newTenant();
    const endpoint = await newEndpoint(tenant, {}, stranger);
    const refused = await endpoint.becomes("Stalled", { status: "True", reason: "TenantNotAllowed" });
    const nobody = await newEndpoint({ name: "nobody" }, {}, stranger);
    const missing = await nobody.becomes("Stalled", { status: "True", reason: "TenantNotAllowed" });
    expect(refused?.message.replace(tenant.name, "nobody")).toBe(missing?.message ?? "");
    expect((await endpoint.get())?.status.endpointId).toBeUndefined();
    expect(await endpoint.secret()).toBeUndefined();
  });

  test("one that is allowed is served until the tenant takes that back, and again when it allows it", async () => {
    const tenant = await newTenant({ allowedNamespaces: [stranger.name] });
    const [endpoint, own] = [await newEndpoint(tenant, {}, stranger), await newEndpoint(tenant)];
    await Promise.all([endpoint.ready(), own.ready()]);
    await endpoint.receives(tenant);
    await tenant.change({ allowedNamespaces: [] });
    await endpoint.becomes("Stalled", { status: "True", reason: "TenantNotAllowed" });
    await eventually(async () => {
      const id = (await endpoint.get())?.status.endpointId;
      const [row] = await notifier`select enabled from endpoint where id = ${id}`;
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
  const tenant = await newTenant({ allowedNamespaces: [stranger.name] });
  const endpoint = await newEndpoint(tenant, {}, stranger);
  await endpoint.ready();
  await endpoint.annotate({ "payflow.dev/paused": "true" });
  await tenant.change({ allowedNamespaces: [] });
  await endpoint.becomes("Stalled", { status: "True", reason: "TenantNotAllowed" });
  const id = (await endpoint.get())?.status.endpointId;
  const [row] = await notifier`select enabled from endpoint where id = ${id}`;
  expect(row?.enabled).toBe(false);
});

test("an endpoint of a tenant that was made again under its name sends nothing of the one before", async () => {
  const tenant = await newTenant();
  const endpoint = await newEndpoint(tenant);
  await endpoint.ready();
  const { endpointId: id, tenantId } = (await endpoint.get())?.status ?? {};
  // Both changes come in one pass, as while the operator is away.
  await endpoint.annotate({ "payflow.dev/paused": "true" });
  await shop.remove(tenantKind, tenant.name);
  await eventually(async () => (await shop.get(tenantKind, tenant.name)) === undefined);
  await newTenant({ apiKey: { secretName: newName("key") } }, tenant.name);
  await eventually(async () => {
    const status = (await shop.get(tenantKind, tenant.name))?.status;
    return status?.tenantId !== undefined && status.tenantId !== tenantId;
  });
  await endpoint.annotate({ "payflow.dev/paused": null });
  await endpoint.becomes("Stalled", { status: "True", reason: "TenantReplaced" });
  const [row] = await notifier`select enabled, tenant_id from endpoint where id = ${id}`;
  expect(row).toEqual({ enabled: false, tenant_id: tenantId });
});

test("a mode that the tenant has not is refused", async () => {
  const endpoint = await newEndpoint(await newTenant(), { mode: "live" });
  await endpoint.becomes("Stalled", { status: "True", reason: "ModeNotAvailable" });
});

test("what somebody changes in the notifier is put right, named in an Event and counted", async () => {
  const endpoint = await newEndpoint(await newTenant());
  await endpoint.ready();
  const id = (await endpoint.get())?.status.endpointId;
  await notifier`update endpoint set url = 'http://127.0.0.1:9/', timeout_ms = 3000 where id = ${id}`;
  await eventually(async () => {
    const [row] = await notifier`select url, timeout_ms from endpoint where id = ${id}`;
    expect(row).toEqual({ url: endpoint.receiver.url, timeout_ms: 15_000 });
  });
  await eventually(async () => {
    const [told] = (await endpoint.events()).filter(({ reason }) => reason === "DriftCorrected");
    expect(told?.message).toContain("url, delivery.timeoutSeconds");
  });
  expect(await place.operators[0]?.metrics()).toMatch(
    /payflow_operator_drift_total\{kind="WebhookEndpoint",field="url",[^}]*\} 1/,
  );
});

test("in a cluster that has gone back in time an endpoint says so, until it is changed often enough", async () => {
  const endpoint = await newEndpoint(await newTenant());
  await endpoint.ready();
  const id = (await endpoint.get())?.status.endpointId;
  await notifier`update governed_object set generation = 2 where id = ${id}`;
  await endpoint.becomes("Stalled", { status: "True", reason: "GenerationBehind" });
  await endpoint.change({ delivery: { maxAttempts: 5 } });
  await endpoint.change({ delivery: { maxAttempts: 6 } });
  await endpoint.ready();
});

test("a paused endpoint is left alone, its deletion too, until it is paused no longer", async () => {
  const endpoint = await newEndpoint(await newTenant());
  await endpoint.ready();
  const id = (await endpoint.get())?.status.endpointId;
  await endpoint.annotate({ "payflow.dev/paused": "true" });
  await endpoint.change({ events: ["refund.settled"] });
  await endpoint.remove();
  const other = await newEndpoint(await newTenant());
  await other.ready();
  const [row] = await notifier`select events from endpoint where id = ${id}`;
  expect(row?.events).toEqual(["payment.settled"]);
  expect((await endpoint.get())?.metadata.deletionTimestamp).toBeString();
  await endpoint.annotate({ "payflow.dev/paused": null });
  await eventually(async () => (await endpoint.get()) === undefined);
});

describe("an endpoint that is deleted", () => {
  const waiting = async (spec: object) => {
    const tenant = await newTenant();
    const endpoint = await newEndpoint(tenant, spec);
    await endpoint.ready();
    endpoint.receiver.answerWith(503);
    await tenant.pay();
    await endpoint.becomes("Delivering", { status: "False", reason: "Failing" });
    await eventually(async () => expect((await endpoint.get())?.status.delivery.pending).toBe(1));
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
    await notifier`update delivery_queue set due = now() where endpoint_id = ${id}`;
    await notifier`update endpoint_queue set next_due = now(), paused_until = now() where endpoint_id = ${id}`;
    await notifier`update tenant_queue set next_due = now() where tenant_id = ${tenantId}`;
    // It sleeps until the time that was known before.
    await place.apps.installation.stopApp("notifier");
    await place.apps.installation.startApp("notifier");
    await eventually(() => endpoint.receiver.received.length === 1, { timeoutMs: 30_000 });
    expect(isSignedWith(endpoint.receiver.received[0] as never, secret)).toBe(true);
    await eventually(async () => (await endpoint.get()) === undefined, { timeoutMs: 30_000 });
    await eventually(async () => (await endpoint.secret()) === undefined, { timeoutMs: 30_000 });
  });

  test("goes at once where that was asked for, and what waits is canceled", async () => {
    const endpoint = await waiting({ deletionPolicy: "Immediate" });
    await endpoint.remove();
    await eventually(async () => (await endpoint.get()) === undefined);
    await eventually(async () => (await endpoint.secret()) === undefined, { timeoutMs: 30_000 });
    expect(endpoint.receiver.received).toEqual([]);
  });
});

test("an endpoint that answered 410 is stalled and says so; a change of it enables it again", async () => {
  const tenant = await newTenant();
  const endpoint = await newEndpoint(tenant);
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
  const tenant = await newTenant();
  const endpoint = await newEndpoint(tenant);
  await endpoint.ready();
  const mark = await place.cluster.audit.mark();
  const startedAt = performance.now();
  for (let sent = 0; sent < 40; sent += 1) {
    await endpoint.receives(tenant);
    await endpoint.annotate({ "example.com/touched": `${sent}` });
  }
  const periods = (performance.now() - startedAt) / 1_000;
  await endpoint.becomes("Delivering", { status: "True" });
  const requests = await place.cluster.audit.since(mark, place.account.user);
  const written = requests.filter(
    ({ name, subresource }) => name === endpoint.name && subresource === "status",
  );
  expect(written.length).toBeGreaterThan(0);
  expect(written.length).toBeLessThanOrEqual(Math.ceil(periods) + 2);
});
