import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { internalPolicyPath } from "@payflow/contracts/internal-fraud.ts";
import { type Governor, governedId, governorHeaders } from "@payflow/contracts/internal-operator.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { startApplyingPolicies } from "../src/policies/governed/apply-policies.ts";
import {
  call,
  type Fraud,
  govern,
  payment,
  score,
  startFraud,
  startLimitMs,
  testKey,
} from "./fraud-service.ts";

setDefaultTimeout(30_000);

let fraud: Fraud;
beforeAll(async () => {
  fraud = await startFraud();
}, startLimitMs);
afterAll(() => fraud.close());

const amountRule = { kind: "amount", name: "amount_threshold", max: 1_000, action: "block", weight: 40 };
const velocityRule = {
  kind: "velocity",
  name: "velocity_check",
  key: "customer",
  measure: "count",
  window_seconds: 60,
  limit: 2,
  action: "review",
};
const large = { amount: 1_001, currency: "INR" };
const spec = {
  mode: "enforce",
  thresholds: { review: 70 },
  rules: [amountRule, velocityRule],
  fail_mode: "block",
  tests: [
    { name: "a large payment", payment: large, expect: "block" },
    { name: "a small one", payment: { amount: 1, currency: "INR", customer_id: "ada" }, expect: "allow" },
    {
      name: "the third of a customer",
      payment: { amount: 1, currency: "INR", customer_id: "ada", seen: { "velocity_check:customer": 3 } },
      expect: "review",
    },
  ],
};

/** A resource as the leading operator sees it. Each has a cluster of its own, so that tests share no fence. */
function newResource() {
  const uid = crypto.randomUUID();
  const id = governedId("fpl", uid);
  const path = internalPolicyPath(id);
  const governor = (generation = 1, transitions = 1): Governor => ({
    owner: { cluster: uid, namespace: "shop", name: "strict", uid },
    generation,
    fence: { lease: "payflow", createdMs: 1_000, transitions },
  });
  const send = (method: string, to: string, by: Governor, body?: unknown) =>
    govern(fraud, method, to, governorHeaders(by), body);
  return {
    id,
    governor,
    put: (changed: object = {}, by = governor()) => send("PUT", path, by, { ...spec, ...changed }),
    assign: (tenants: Readonly<Record<string, number>>, by = governor()) => {
      const list = Object.entries(tenants).map(([tenant_id, generation]) => ({ tenant_id, generation }));
      return send("PUT", `${path}/tenants`, by, { tenants: list });
    },
    get: () => govern(fraud, "GET", path, {}),
    delete: (by = governor()) => send("DELETE", path, by),
  };
}

/** What is decided on a payment of the tenant over the amount rule's limit. */
async function verdictOn(tenantId: string, mode: "live" | "test" = "live") {
  const [answer] = await score(fraud, [payment(tenantId, { ...large, mode })]);
  return answer;
}

test("a resource's policy governs every mode of its tenants, and REST only reads it", async () => {
  const [resource, tenantId] = [newResource(), newId("ten")];
  const own = { rules: [{ ...amountRule, action: "flag" }] };
  await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", own);
  expect((await verdictOn(tenantId))?.decision).toBe("flag");
  const made = await resource.put();
  expect([made.status, made.body]).toMatchObject([
    200,
    { policy_id: resource.id, mode: "enforce", generation: 1, matched_tenants: 0 },
  ]);
  expect((await resource.assign({ [tenantId]: 1 })).status).toBe(204);
  for (const mode of ["live", "test"] as const) {
    expect(await verdictOn(tenantId, mode)).toMatchObject({ decision: "block", fail_mode: "block" });
    const key = testKey(tenantId, mode);
    const refused = await call(fraud, key, "PUT", "/fraud/policy", own);
    expect([refused.status, refused.body.code]).toEqual([409, "managed_by_kubernetes"]);
    const shown = await call(fraud, key, "GET", "/fraud/policy");
    expect(shown.body).toMatchObject({
      policy_hash: made.body.hash,
      is_default: false,
      managed_by: "kubernetes",
    });
  }
  expect((await resource.get()).body.matched_tenants).toBe(1);
  await resource.assign({});
  expect((await verdictOn(tenantId))?.decision).toBe("flag");
  expect((await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", own)).status).toBe(200);
});

test("putting the same again writes nothing", async () => {
  const [resource, tenantId] = [newResource(), newId("ten")];
  await resource.put();
  await resource.assign({ [tenantId]: 1 });
  const rows = () =>
    fraud.database.sql`
    select g.xmin, a.xmin, v.xmin, r.number from governed_policy g
      join policy_assignment a using (policy_id) join policy_version v on v.hash = g.hash, policy_revision r
     where policy_id = ${resource.id}`.values();
  const before = await rows();
  expect(before).toHaveLength(1);
  await Promise.all([resource.put(), resource.put(), resource.assign({ [tenantId]: 1 })]);
  expect(await rows()).toEqual(before);
});

test("a policy that fails its own tests is refused by the failing one's name, and the last good one stays", async () => {
  const [resource, tenantId] = [newResource(), newId("ten")];
  const good = await resource.put();
  await resource.assign({ [tenantId]: 1 });
  const rules = [{ ...amountRule, max: 5_000 }, velocityRule];
  const bad = await resource.put({ rules }, resource.governor(2));
  expect([bad.status, bad.body.code]).toEqual([422, "policy_test_failed"]);
  expect(bad.body.detail).toContain("a large payment: expected block, and the policy says allow");
  expect(bad.body.errors.map((one: { pointer: string }) => one.pointer)).toEqual(["/tests/0"]);
  expect((await resource.get()).body).toMatchObject({ hash: good.body.hash, generation: 1 });
  expect((await verdictOn(tenantId))?.decision).toBe("block");
  const unknown = { name: "typo", payment: { ...large, seen: { velocity: 3 } }, expect: "block" };
  const typo = await resource.put({ tests: [unknown] }, resource.governor(2));
  expect(typo.body.errors[0].message).toBe("typo: no rule that counts has the id velocity");
  const other = newId("ten");
  expect((await resource.assign({ [tenantId]: 1, [other]: 1 }, resource.governor(2))).status).toBe(204);
  expect((await verdictOn(other))?.decision).toBe("block");
});

test("wrong rules and thresholds are named by their fields", async () => {
  const wrong = { rules: [{ ...amountRule, max: "five" }], thresholds: { review: 50, block: 50 } };
  const answer = await newResource().put(wrong);
  expect([answer.status, answer.body.code]).toEqual([400, "invalid_request"]);
  expect(answer.body.errors[0].pointer).toBe("/rules/0/max");
  const tiers = await newResource().put({ thresholds: wrong.thresholds });
  expect(tiers.body.errors[0].pointer).toBe("/thresholds");
});

test("in shadow a policy is recorded and never acts, and off it does nothing; its tests hold all the same", async () => {
  const [resource, tenantId] = [newResource(), newId("ten")];
  await resource.put({ mode: "shadow" });
  await resource.assign({ [tenantId]: 1 });
  expect(await verdictOn(tenantId)).toMatchObject({ decision: "allow", score: 0, fail_mode: "allow" });
  const shown = await call(fraud, testKey(tenantId), "GET", "/fraud/policy");
  expect(shown.body.policy.rules.map((rule: { mode: string }) => rule.mode)).toEqual(["shadow", "shadow"]);
  const bad = await resource.put({ mode: "shadow", rules: [velocityRule] }, resource.governor(2));
  expect(bad.body.code).toBe("policy_test_failed");
  await resource.put({ mode: "off" }, resource.governor(2));
  expect(await verdictOn(tenantId)).toMatchObject({ decision: "allow", fail_mode: "allow" });
  const off = await call(fraud, testKey(tenantId), "GET", "/fraud/policy");
  expect(off.body.policy.rules).toEqual([]);
});

test("a tenant that moved on to another policy does not come back by an older list", async () => {
  const [before, after, tenantId] = [newResource(), newResource(), newId("ten")];
  await before.put();
  await after.put({ mode: "off" });
  await before.assign({ [tenantId]: 1 });
  await after.assign({ [tenantId]: 2 });
  await before.assign({ [tenantId]: 1 });
  expect((await verdictOn(tenantId))?.decision).toBe("allow");
  await before.assign({});
  expect((await after.get()).body.matched_tenants).toBe(1);
  expect((await before.get()).body.matched_tenants).toBe(0);
});

test("a stale leader and a stale generation change nothing, also beside a newer leader", async () => {
  const [resource, tenantId] = [newResource(), newId("ten")];
  await resource.put({}, resource.governor(2, 5));
  await resource.assign({ [tenantId]: 1 }, resource.governor(2, 5));
  const stale = resource.governor(2, 4);
  const refusals = [
    await resource.put({ mode: "off" }, stale),
    await resource.assign({}, stale),
    await resource.delete(stale),
  ];
  expect(refusals.map((answer) => answer.body.code)).toEqual(Array(3).fill("stale_leader"));
  expect((await resource.put({ mode: "off" }, resource.governor(1, 5))).body.code).toBe("stale_generation");
  for (let round = 6; round < 12; round += 1) {
    const [, newer] = await Promise.all([
      resource.put({ mode: "off" }, resource.governor(2, round - 1)),
      resource.put({}, resource.governor(2, round)),
    ]);
    expect([newer.status, (await resource.get()).body.mode]).toEqual([200, "enforce"]);
  }
  expect((await verdictOn(tenantId))?.decision).toBe("block");
});

test("a newer leader's first write waits for an older leader's that is under way, also of another object", async () => {
  const [held, other] = [newResource(), newResource()];
  const cluster = crypto.randomUUID();
  const by = (resource: typeof held, transitions: number): Governor => {
    const governor = resource.governor(1, transitions);
    return { ...governor, owner: { ...governor.owner, cluster } };
  };
  const [entered, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const order: string[] = [];
  // The older leader is known by now: what it goes on with only shares its row.
  expect((await held.put({}, by(held, 5))).status).toBe(200);
  const older = fraud.deps.governedPolicies.hold(by(held, 5), held.id, async (writing) => {
    entered.resolve();
    await gate.promise;
    order.push("older");
    await writing.assign([]);
  });
  await entered.promise;
  const newer = other.put({}, by(other, 6)).then((answer) => {
    order.push("newer");
    return answer;
  });
  await eventually(async () => {
    const waiting = await fraud.database.sql`select 1 from pg_locks where not granted`;
    expect(waiting.length).toBeGreaterThan(0);
  });
  gate.resolve();
  await older;
  expect([(await newer).status, order]).toEqual([200, ["older", "newer"]]);
  expect((await held.put({}, by(held, 5))).body.code).toBe("stale_leader");
});

test("a deleted resource lets its tenants go, once and for all", async () => {
  const [resource, tenantId] = [newResource(), newId("ten")];
  await resource.put();
  await resource.assign({ [tenantId]: 1 });
  expect((await resource.delete()).status).toBe(204);
  expect((await resource.delete()).status).toBe(204);
  expect((await resource.get()).status).toBe(404);
  // The default policy only reviews what is large.
  expect((await verdictOn(tenantId))?.decision).toBe("allow");
  expect((await resource.put()).body.code).toBe("invalid_state");
  expect((await resource.assign({ [tenantId]: 2 })).body.code).toBe("invalid_state");
});

test("an id of another resource, and a stranger, are refused", async () => {
  const [resource, other] = [newResource(), newResource()];
  const path = internalPolicyPath(resource.id);
  const foreign = await govern(fraud, "PUT", path, governorHeaders(other.governor()), spec);
  expect(foreign.body.code).toBe("invalid_request");
  const headers = { ...governorHeaders(resource.governor()), "x-internal-token": "x" };
  expect((await govern(fraud, "PUT", path, headers, spec)).status).toBe(401);
});

test("a policy is applied by every running replica before it says so", async () => {
  const [resource, tenantId] = [newResource(), newId("ten")];
  const logger = createLogger("test", "silent");
  const replicas = [fraud.replica(), fraud.replica()];
  const running = replicas.map(({ deps }) => startApplyingPolicies({ ...deps, logger }));
  const applied = async () => (await resource.get()).body.replicas;
  await resource.put();
  await resource.assign({ [tenantId]: 1 });
  await eventually(async () => expect(await applied()).toEqual({ applied: 2, running: 2 }));
  for (const replica of replicas) {
    expect((await score(replica, [payment(tenantId, large)]))[0]?.decision).toBe("block");
  }
  await resource.put({ mode: "off" }, resource.governor(2));
  await eventually(async () => expect(await applied()).toEqual({ applied: 2, running: 2 }));
  for (const replica of replicas) {
    expect((await score(replica, [payment(tenantId, large)]))[0]?.decision).toBe("allow");
  }
  await running[0]?.stop();
  expect(await applied()).toEqual({ applied: 1, running: 1 });
  await running[1]?.stop();
});
