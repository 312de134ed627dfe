import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TenantPlace, tenantPlace } from "./tenants.ts";

setDefaultTimeout(300_000);

let tenants: TenantPlace;

beforeAll(async () => {
  // What is looked at every ten minutes is looked at every two seconds here.
  tenants = await tenantPlace({ env: { RESYNC_SECONDS: "2" } });
  await tenants.place.startOperator();
}, 300_000);

afterAll(() => tenants?.close());

const waiting = { timeoutMs: 150_000, everyMs: 100 };

describe("drift", () => {
  test("of the tenant is found and put right, with the fields named in an Event and a metric", async () => {
    const tenant = await tenants.create({ displayName: "Chai Point", limits: { burst: 70 } });
    await tenant.ready();
    await tenant.tamper({ name: "Someone Else", burst: 1 });
    await eventually(async () => {
      const { name, limits } = await tenant.inApp();
      return name === "Chai Point" && limits.burst === 70;
    }, waiting);
    const { note, type } = await tenant.eventOf("DriftCorrected");
    expect([type, note]).toEqual(["Warning", expect.stringContaining("name, limits.burst")]);
    const metrics = await tenants.place.operators[0]?.metrics();
    expect(metrics).toMatch(/payflow_operator_drift_total\{kind="Tenant",field="limits.burst"[^}]*\} 1/);
  });

  test("of a tenant that was suspended behind the resource's back is put right", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    await tenant.tamper({ status: "suspended" });
    await eventually(async () => (await tenant.inApp()).status === "active", waiting);
    expect((await tenant.eventOf("DriftCorrected")).note).toContain("suspended");
  });

  test("of a key that the app has lost, as after a restored backup, is put right with the same key", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    const key = await tenant.key();
    const [active] = await tenant.activeKeys();
    const id = active?.key_id ?? "";
    await tenants.database`delete from api_key_value where key_id = ${id}`;
    await tenants.database`delete from api_key where key_id = ${id}`;
    await eventually(async () => (await tenant.activeKeys())[0]?.key_id === id, waiting);
    expect(await tenant.key()).toBe(key);
    await eventually(async () => (await tenant.ask(key)) === 200, waiting);
    expect((await tenant.eventOf("DriftCorrected")).note).toContain("api-key");
  });

  test("of a key whose end or scopes were changed is put right", async () => {
    const tenant = await tenants.create();
    await tenant.ready();
    const id = (await tenant.activeKeys())[0]?.key_id ?? "";
    await tenants.database`update api_key set expires_at = now() + interval '1 hour' where key_id = ${id}`;
    await eventually(async () => (await tenant.activeKeys())[0]?.expires_at === null, waiting);
    await tenants.database`update api_key set scopes = '{payments:read}' where key_id = ${id}`;
    await eventually(async () => ((await tenant.activeKeys())[0]?.scopes.length ?? 0) > 1, waiting);
  });
});

test("a cluster that was restored from a backup is told, instead of tried for ever", async () => {
  const tenant = await tenants.create({ displayName: "Before" });
  const id = (await tenant.ready()).status.tenantId;
  await tenants.database`update governed_object set generation = 5 where id = ${id}`;
  const { message } = await tenant.condition("Stalled", "True", "GenerationBehind");
  expect(message).toContain("generation 5");
  for (let count = 0; count < 5; count += 1) await tenant.change({ displayName: `Change ${count}` });
  await tenant.ready();
  expect((await tenant.inApp()).name).toBe("Change 4");
});

describe("a paused Tenant", () => {
  test("is left alone, with all that belongs to it, until it is paused no more", async () => {
    const tenant = await tenants.create({ displayName: "Before" });
    await tenant.ready();
    const key = await tenant.key();
    await tenant.annotate({ "payflow.dev/paused": "true", "payflow.dev/rotate-now": "later" });
    await tenant.change({ displayName: "After" });
    await tenant.remove();
    // Others are looked after meanwhile: a whole resync passes.
    const other = await tenants.create({ displayName: "Other" });
    await other.ready();
    await other.tamper({ name: "drifted" });
    await eventually(async () => (await other.inApp()).name === "Other", waiting);
    expect((await tenant.inApp()).name).toBe("Before");
    expect(await tenant.key()).toBe(key);
    expect(await tenant.get()).toBeDefined();
    await tenant.annotate({ "payflow.dev/paused": null });
    await tenant.gone();
  });
});

test("what somebody else writes into the status is put right", async () => {
  const tenant = await tenants.create();
  await tenant.ready();
  const words = [
    "patch",
    "tenant",
    tenant.name,
    "-n",
    tenant.shop.name,
    "--subresource=status",
    "--type=merge",
  ];
  const status = { tenantId: "ten_mine", conditions: [] };
  const { exitCode } = await tenants.place.cluster.kubectl([...words, "-p", JSON.stringify({ status })]);
  expect(exitCode).toBe(0);
  await tenant.ready();
  expect((await tenant.get())?.status.tenantId).not.toBe("ten_mine");
});
