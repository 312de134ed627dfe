import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { tenantKind } from "../../src/tenant/tenant.resource.ts";
import { conditionOf, secretKind } from "../setup/resources.ts";
import { type TenantPlace, tenantPlace } from "./tenants.ts";

setDefaultTimeout(300_000);

let tenants: TenantPlace;

beforeAll(async () => {
  tenants = await tenantPlace();
  await tenants.place.startOperator();
}, 300_000);

afterAll(() => tenants?.close());

describe("a Tenant", () => {
  test("gets a Secret with a key that payments are made with, and a status that tells all but the key", async () => {
    const tenant = await tenants.create({ mode: "live" });
    const found = await tenant.ready();
    const secret = await tenant.secret();
    expect(Object.keys(secret ?? {}).sort()).toEqual(["api-key", "tenant-id"]);
    const key = secret?.["api-key"] ?? "";
    expect(key).toMatch(/^pfk_live_/);
    expect(secret?.["tenant-id"]).toBe(found.status.tenantId);
    expect((await tenant.pay(key)).status).toBe(201);
    const [active] = await tenant.activeKeys();
    expect(found.status).toMatchObject({
      observedGeneration: 1,
      secretName: tenant.secretName,
      apiKey: { activeKeyId: active?.key_id ?? "", fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) },
    });
    const told = Object.fromEntries(
      found.status.conditions.map((one: { type: string; status: string }) => [one.type, one.status]),
    );
    expect(told).toEqual({
      ...{ Ready: "True", Reconciling: "False", Stalled: "False" },
      ...{ SecretReady: "True", KeyRotating: "False", Suspended: "False" },
    });
    expect(JSON.stringify([found, await tenant.events()])).not.toContain(key.slice(9, 25));
  });

  test("of both modes has a live and a test key, which never meet", async () => {
    const tenant = await tenants.create({ mode: "both" });
    const found = await tenant.ready();
    const { "api-key": live = "", "test-api-key": other = "" } = (await tenant.secret()) ?? {};
    expect([live.slice(0, 9), other.slice(0, 9)]).toEqual(["pfk_live_", "pfk_test_"]);
    expect([await tenant.ask(live), await tenant.ask(other)]).toEqual([200, 200]);
    expect((await tenant.activeKeys()).map((key) => key.mode).sort()).toEqual(["live", "test"]);
    expect(found.status.testApiKey.activeKeyId).not.toBe(found.status.apiKey.activeKeyId);
  });

  test("may use what its limits and scopes say, from soon after they change", async () => {
    const tenant = await tenants.create({ limits: { maxPaymentMinor: 500 } });
    const key = await tenant.key();
    await tenant.ready();
    const refused = await tenant.pay(key, 501);
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
      422,
      "amount_over_limit",
    ]);
    await tenant.change({ limits: { maxPaymentMinor: null } });
    await eventually(async () => (await tenant.pay(key, 501)).status === 201);
    await tenant.change({ apiKey: { scopes: ["payments:read"] } });
    await eventually(async () => (await tenant.pay(key)).status === 403);
    expect(await tenant.ask(key)).toBe(200);
    expect(await tenant.key()).toBe(key);
  });

  test("is suspended and resumed, with the same key", async () => {
    const tenant = await tenants.create();
    const key = await tenant.key();
    await tenant.ready();
    await tenant.change({ suspended: true });
    await tenant.condition("Suspended", "True");
    await tenant.condition("Ready", "True", "Suspended");
    await eventually(async () => (await tenant.ask(key)) === 403);
    await tenant.change({ suspended: false });
    await tenant.condition("Suspended", "False");
    await tenant.condition("Ready", "True", "Ready");
    await eventually(async () => (await tenant.ask(key)) === 200);
  });

  test("that names a policy that is not there says so, and is ready once it is", async () => {
    const tenant = await tenants.create({ fraudPolicyRef: { name: "later" } });
    await tenant.condition("Ready", "False", "FraudPolicyMissing");
    expect(await tenant.ask(await tenant.key())).toBe(200);
    await tenant.change({ fraudPolicyRef: null });
    await tenant.ready();
  });

  test("is shown by kubectl with what is ready and why not", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    const words = ["get", "tenants", "-n", tenant.shop.name, tenant.name];
    const { stdout } = await tenants.place.cluster.kubectl(words);
    expect(stdout).toContain("True");
    expect(stdout).toContain(tenant.secretName);
  });
});

describe("a Secret of that name that is not the Tenant's", () => {
  test("is never touched: the Tenant is stalled and says so, and goes on once it is away", async () => {
    const { shop, cluster } = tenants.place;
    const name = "somebody-elses";
    const data = { "api-key": btoa("mine") };
    const labels = { "app.kubernetes.io/managed-by": "payflow-operator" };
    await cluster.request("POST", `/api/v1/namespaces/${shop.name}/secrets`, {
      metadata: { name, labels },
      data,
    });
    const before = await shop.get(secretKind, name);
    const tenant = await tenants.create({ apiKey: { secretName: name } });
    await tenant.condition("Stalled", "True", "SecretNotOwned");
    expect(conditionOf(await tenant.get(), "SecretReady")?.status).toBe("False");
    expect(await shop.get(secretKind, name)).toEqual(before as NonNullable<typeof before>);
    expect(await tenant.activeKeys()).toEqual([]);
    await shop.remove(secretKind, name);
    await tenant.ready();
    expect((await shop.secret(name))?.["api-key"]).toMatch(/^pfk_test_/);
    // The same holds for its end.
    await tenant.remove();
    await tenant.gone();
  });
});

describe("a deleted Tenant", () => {
  test("that is retained lives on: its key works, its Secret stays, and REST governs it", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    const key = await tenant.key();
    const { tenant_id: id } = await tenant.inApp();
    // Argo CD deletes like this: what belongs to the object goes first.
    const path = `/apis/payflow.dev/v1alpha1/namespaces/${tenant.shop.name}/tenants/${tenant.name}`;
    await tenants.place.cluster.request("DELETE", path, { propagationPolicy: "Foreground" });
    await tenant.gone();
    expect(await tenant.ask(key)).toBe(200);
    expect((await tenant.secret())?.["api-key"]).toBe(key);
    const { body } = { body: await tenant.shop.get(secretKind, tenant.secretName) };
    expect(Object.keys(body?.metadata.labels ?? {})).toEqual([]);
    const [row] = await tenants.database`select managed_by from tenant where tenant_id = ${id}`;
    expect(row?.managed_by).toBeNull();
  });

  test("that is retained in the middle of a replacement leaves no key without an end", async () => {
    const tenant = await tenants.create({ apiKey: { rotation: { overlap: "1h" } } });
    await tenant.ready();
    const before = await tenant.key();
    await tenant.annotate({ "payflow.dev/rotate-now": "once" });
    await tenant.remove();
    await tenant.gone();
    const { "api-key": now, "api-key-previous": previous } = (await tenant.secret()) ?? {};
    expect(await tenant.ask(now ?? "")).toBe(200);
    if (now !== before) expect(previous).toBe(before);
  });

  test("that is archived is suspended for good, and its Secret goes with it", async () => {
    const tenant = await tenants.create({ deletionPolicy: "Archive" });
    await tenant.ready();
    const key = await tenant.key();
    const { tenant_id: id } = await tenant.inApp();
    await tenant.remove();
    await tenant.gone();
    await eventually(async () => (await tenant.ask(key)) === 401);
    await eventually(async () => (await tenant.secret()) === undefined, { timeoutMs: 30_000 });
    const [row] = await tenants.database`select ended, name from tenant where tenant_id = ${id}`;
    expect([row?.ended, row?.name]).toEqual(["archived", "Acme"]);
  });

  test("that is purged is erased; with live payments it is refused with the reason, until the policy is another", async () => {
    const poor = await tenants.create({ deletionPolicy: "Purge" });
    await poor.ready();
    const { tenant_id: id } = await poor.inApp();
    await poor.remove();
    await poor.gone();
    const [row] = await tenants.database`select ended, name, email from tenant where tenant_id = ${id}`;
    expect(row).toMatchObject({ ended: "purged", name: "purged", email: "purged@invalid" });

    const rich = await tenants.create({ deletionPolicy: "Purge", mode: "live" });
    await rich.ready();
    const key = await rich.key();
    expect((await rich.pay(key)).status).toBe(201);
    await rich.remove();
    const { message } = await rich.condition("Stalled", "True", "TenantHasPayments");
    expect(message).toContain("payments");
    expect(await rich.ask(key)).toBe(200);
    await rich.change({ deletionPolicy: "Archive" });
    await rich.gone();
    await eventually(async () => (await rich.ask(key)) === 401);
  });
});

test("a finalizer that was taken off comes back", async () => {
  const tenant = await tenants.create();
  await tenant.ready();
  await tenant.shop.patch(tenantKind, tenant.name, { metadata: { finalizers: null } });
  await eventually(async () => (await tenant.get())?.metadata.finalizers?.length === 1);
});

test("force-sync compares and writes at once, and once for each value", async () => {
  const waiting = { timeoutMs: 150_000 };
  const tenant = await tenants.create({ displayName: "Chai Point" });
  await tenant.ready();
  await tenant.tamper({ name: "drifted" });
  await tenant.annotate({ "payflow.dev/force-sync": "one" });
  await eventually(async () => (await tenant.inApp()).name === "Chai Point", waiting);
  await eventually(async () => (await tenant.get())?.status.lastHandledForceSync === "one", waiting);
  const passes = async () => {
    const metrics = (await tenants.place.operators[0]?.metrics()) ?? "";
    return Number(/workqueue_adds_total\{name="tenant"[^}]*\} (\d+)/.exec(metrics)?.[1] ?? 0);
  };
  const before = await passes();
  await tenant.annotate({ "payflow.dev/force-sync": "two" });
  await eventually(async () => (await tenant.get())?.status.lastHandledForceSync === "two", waiting);
  expect((await passes()) - before).toBeLessThanOrEqual(2);
});
