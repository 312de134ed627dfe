import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { fraudPolicyKind as kind } from "../src/fraud-policy/fraud-policy.resource.ts";
import { tenantKind } from "../src/tenant/tenant.resource.ts";
import { patiently } from "./setup/patience.ts";
import { conditionOf, type Namespace } from "./setup/resources.ts";
import { Workplace } from "./setup/workplace.ts";

setDefaultTimeout(300_000);

let place: Workplace;
let shop: Namespace;
let fraud: Sql;

beforeAll(async () => {
  place = await Workplace.make({ apps: { replicas: 2 }, env: { DELIVERY_STATUS_SECONDS: "1" } });
  shop = place.shop;
  fraud = postgres(place.apps.databaseUrl("fraud", "superuser"), { max: 2, onnotice: () => {} });
  await place.startOperator();
}, 300_000);

afterAll(async () => {
  await fraud?.end({ timeout: 2 });
  await place?.close();
});

let count = 0;
const newName = (what: string) => `${what}-${++count}`;

const blockAbove = (maxMinor: number) => ({
  name: "amount_threshold",
  action: "Block",
  amount: { maxMinor },
});
const spec = {
  rules: [blockAbove(1_000)],
  tests: [{ name: "a large payment", payment: { amountMinor: 1_001, currency: "INR" }, expect: "Block" }],
};

async function newPolicy(given: object = spec) {
  const name = newName("policy");
  await shop.create(kind, name, given);
  const get = () => shop.get(kind, name);
  return {
    name,
    get,
    condition: async (type: string) => conditionOf(await get(), type),
    change: (changed: object) => shop.patch(kind, name, { spec: changed }),
    annotate: (annotations: Readonly<Record<string, string | null>>) =>
      shop.annotate(kind, name, annotations),
    remove: () => shop.remove(kind, name),
    becomes: (type: string, expected: object) => shop.becomes(kind, name, type, expected),
    governs: (tenants: number) =>
      patiently(async () => expect((await get())?.status.matchedTenants).toBe(tenants)),
  };
}

/** A tenant that refers to a policy, and what becomes of its payments. */
async function newTenant(policy: string | undefined) {
  const name = newName("tenant");
  await shop.create(tenantKind, name, {
    ...{ displayName: "Acme", contactEmail: "owner@example.com", mode: "both", currency: "INR" },
    ...(policy === undefined ? {} : { fraudPolicyRef: { name: policy } }),
  });
  const key = async (entry: string) =>
    patiently(async () => (await shop.secret(`${name}-api-key`))?.[entry] ?? false);
  const call = async (app: string, method: string, path: string, body?: object, entry = "api-key") =>
    fetch(place.apps.url(app) + path, {
      method,
      headers: {
        ...{ "x-api-key": await key(entry), "idempotency-key": crypto.randomUUID() },
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return {
    name,
    refersTo: (to: string | null) =>
      shop.patch(tenantKind, name, { spec: { fraudPolicyRef: to === null ? null : { name: to } } }),
    remove: () => shop.remove(tenantKind, name),
    /** What is decided on a payment of this amount. */
    async decides(amount: number, entry?: string): Promise<string> {
      const answer = await call("payment", "POST", "/payments", { amount, currency: "INR" }, entry);
      return ((await answer.json()) as { fraud: { decision: string } }).fraud.decision;
    },
    putsByRest: async () => (await call("fraud", "PUT", "/fraud/policy", { rules: [] })).status,
  };
}

test("a policy judges the payments of the tenants that refer to it, in both modes, and REST only reads it", async () => {
  const policy = await newPolicy();
  const [tenant, other] = [await newTenant(policy.name), await newTenant(undefined)];
  await policy.governs(1);
  const programmed = await policy.becomes("Programmed", { status: "True", reason: "Programmed" });
  expect(programmed?.observedGeneration).toBe(1);
  await policy.becomes("Ready", { status: "True" });
  expect((await policy.get())?.status).toMatchObject({
    policyId: expect.stringMatching(/^fpl_/),
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    appliedReplicas: "2/2",
    matchedTenants: 1,
  });
  for (const entry of ["api-key", "test-api-key"]) {
    await patiently(async () => expect(await tenant.decides(1_001, entry)).toBe("block"));
    expect(await tenant.decides(999, entry)).toBe("allow");
  }
  expect(await other.decides(1_001)).toBe("allow");
  expect([await tenant.putsByRest(), await other.putsByRest()]).toEqual([409, 200]);
});

test("a policy that fails its own test is stalled by the test's name, and the last good one stays", async () => {
  const policy = await newPolicy();
  const tenant = await newTenant(policy.name);
  await policy.becomes("Ready", { status: "True" });
  const good = (await policy.get())?.status.hash;
  await policy.change({ rules: [blockAbove(5_000)] });
  const stalled = await policy.becomes("Stalled", { status: "True", reason: "PolicyTestFailed" });
  expect(stalled?.message).toContain("a large payment: expected block, and the policy says allow");
  const programmed = await policy.condition("Programmed");
  expect(programmed?.status).toBe("False");
  expect(programmed?.message).toEndWith("Generation 1 stays in force.");
  expect((await policy.get())?.status).toMatchObject({ hash: good, observedGeneration: 2 });
  expect(await tenant.decides(1_001)).toBe("block");
  const late = await newTenant(policy.name);
  await policy.governs(2);
  await patiently(async () => expect(await late.decides(1_001)).toBe("block"));
  await policy.change({ tests: [] });
  await policy.becomes("Ready", { status: "True" });
  await patiently(async () => expect(await tenant.decides(1_001)).toBe("allow"));
  expect(await tenant.decides(5_001)).toBe("block");
});

test("tenants come, move on to another policy and go, and each is judged by its own", async () => {
  const [strict, mild] = [await newPolicy(), await newPolicy({ rules: [blockAbove(9_000)] })];
  const tenant = await newTenant(strict.name);
  await strict.governs(1);
  await patiently(async () => expect(await tenant.decides(1_001)).toBe("block"));
  await tenant.refersTo(mild.name);
  await Promise.all([strict.governs(0), mild.governs(1)]);
  await patiently(async () => expect(await tenant.decides(1_001)).toBe("allow"));
  expect(await tenant.decides(9_001)).toBe("block");
  await tenant.refersTo(null);
  await mild.governs(0);
  await patiently(async () => expect(await tenant.decides(9_001)).toBe("allow"));
  expect(await tenant.putsByRest()).toBe(200);
  await tenant.refersTo(strict.name);
  await strict.governs(1);
  await tenant.remove();
  await strict.governs(0);
});

test("in Shadow a policy acts on nothing, and a deleted one lets its tenants go", async () => {
  const policy = await newPolicy({ ...spec, mode: "Shadow" });
  const tenant = await newTenant(policy.name);
  await policy.becomes("Ready", { status: "True" });
  await policy.governs(1);
  expect(await tenant.decides(1_001)).toBe("allow");
  await policy.change({ mode: "Enforce" });
  await patiently(async () => expect(await tenant.decides(1_001)).toBe("block"));
  await policy.remove();
  await patiently(async () => (await policy.get()) === undefined);
  await patiently(async () => expect(await tenant.decides(1_001)).toBe("allow"));
  expect(await tenant.putsByRest()).toBe(200);
});

test("a replica that is away is not counted, and is again once it is back", async () => {
  const policy = await newPolicy();
  await policy.becomes("Ready", { status: "True" });
  const counted = (applied: string) =>
    patiently(async () => expect((await policy.get())?.status.appliedReplicas).toBe(applied));
  await counted("2/2");
  await place.apps.installation.stopApp("fraud", 2);
  await counted("1/1");
  expect(await policy.condition("Programmed")).toMatchObject({ status: "True" });
  await place.apps.installation.startApp("fraud", 2);
  await counted("2/2");
});

test("what somebody changes in the fraud app is put right, named in an Event and counted", async () => {
  const policy = await newPolicy();
  await policy.becomes("Ready", { status: "True" });
  const { policyId, hash } = (await policy.get())?.status ?? {};
  await fraud`update governed_policy set mode = 'off' where policy_id = ${policyId}`;
  await patiently(async () => {
    const [row] = await fraud`select mode, hash from governed_policy where policy_id = ${policyId}`;
    expect(row).toEqual({ mode: "enforce", hash });
  });
  await patiently(async () => {
    const { stdout } = await place.cluster.kubectl([
      "events",
      "-n",
      shop.name,
      "--for",
      `FraudPolicy/${policy.name}`,
    ]);
    expect(stdout).toMatch(/DriftCorrected.*mode/);
  });
  expect(await place.operators[0]?.metrics()).toMatch(
    /payflow_operator_drift_total\{kind="FraudPolicy",field="mode",[^}]*\} 1/,
  );
});

test("in a cluster that has gone back in time a policy says so, until it is changed often enough", async () => {
  const policy = await newPolicy();
  await policy.becomes("Ready", { status: "True" });
  const { policyId } = (await policy.get())?.status ?? {};
  await fraud`update governed_object set generation = 2 where id = ${policyId}`;
  await policy.becomes("Stalled", { status: "True", reason: "GenerationBehind" });
  await policy.change({ failMode: "Allow" });
  await policy.change({ failMode: "Block" });
  await policy.becomes("Ready", { status: "True" });
});

test("a paused policy is left alone until it is paused no longer, and force-sync is followed once", async () => {
  const policy = await newPolicy();
  await policy.becomes("Ready", { status: "True" });
  await policy.annotate({ "payflow.dev/paused": "true" });
  await policy.change({ mode: "Off" });
  const other = await newPolicy();
  await other.becomes("Ready", { status: "True" });
  expect((await policy.get())?.status.observedGeneration).toBe(1);
  await policy.annotate({ "payflow.dev/paused": null, "payflow.dev/force-sync": "now" });
  await policy.becomes("Ready", { status: "True" });
  await patiently(async () => expect((await policy.get())?.status.lastHandledForceSync).toBe("now"));
});
