import { afterAll, beforeAll, expect, test } from "bun:test";
import { scopes } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { policyHash } from "../src/policies/policy.ts";
import { readPolicy } from "../src/policies/read-policy.ts";
import { call, type Fraud, payment, score, startFraud, startLimitMs, testKey } from "./fraud-service.ts";

let fraud: Fraud;
beforeAll(async () => {
  fraud = await startFraud();
}, startLimitMs);
afterAll(() => fraud.close());

const amountPolicy = (max: number) => ({
  rules: [{ kind: "amount", name: "amount_threshold", max, action: "flag", weight: 7 }],
  fail_mode: "block",
});

test("without a policy of its own a tenant sees the default one", async () => {
  const { status, body } = await call(fraud, testKey(newId("ten")), "GET", "/fraud/policy");
  expect(status).toBe(200);
  expect(body).toMatchObject({ is_default: true, updated_at: null, policy_hash: fraud.deps.fallback.hash });
  expect(body.policy.rules.map((rule: { id: string }) => rule.id)).toEqual([
    "velocity_check:customer",
    "velocity_check:card",
    "velocity_check:tenant",
    "amount_threshold",
    "repeat_failure:customer",
    "repeat_failure:card",
    "repeat_failure:tenant",
  ]);
});

test("a policy that was put is shown complete, can be put again as shown, and keeps its hash", async () => {
  const key = testKey(newId("ten"));
  const put = await call(fraud, key, "PUT", "/fraud/policy", amountPolicy(5));
  expect(put.status).toBe(200);
  expect(put.body.policy_hash).toBe(policyHash(readPolicy(amountPolicy(5))));
  const got = await call(fraud, key, "GET", "/fraud/policy");
  expect(got.body).toEqual(put.body);
  const again = await call(fraud, key, "PUT", "/fraud/policy", got.body.policy);
  expect(again.body.policy_hash).toBe(put.body.policy_hash);
});

test("a wrong policy is refused with every field named, and the one in force stays", async () => {
  const key = testKey(newId("ten"));
  await call(fraud, key, "PUT", "/fraud/policy", amountPolicy(5));
  const before = await call(fraud, key, "GET", "/fraud/policy");
  const wrong = {
    rules: [{ ...amountPolicy(5).rules[0], max: "five" }, { kind: "velocity" }],
    fail_mode: "maybe",
  };
  const { status, body } = await call(fraud, key, "PUT", "/fraud/policy", wrong);
  expect(status).toBe(400);
  expect(body.code).toBe("invalid_request");
  const pointers = body.errors.map((error: { pointer: string }) => error.pointer);
  expect(pointers.sort()).toEqual(["/fail_mode", "/rules/0/max", "/rules/1/measure"]);
  expect((await call(fraud, key, "GET", "/fraud/policy")).body).toEqual(before.body);
});

test("a body that is no JSON, no object or missing is refused as such", async () => {
  const send = (body: string | undefined, type: string) =>
    fraud.publicApp.handle(
      new Request("http://fraud.test/fraud/policy", {
        method: "PUT",
        headers: { "x-api-key": testKey(newId("ten")), "content-type": type },
        ...(body === undefined ? {} : { body }),
      }),
    );
  expect((await send("{", "application/json")).status).toBe(400);
  expect((await send("[]", "application/json")).status).toBe(400);
  expect((await send(undefined, "application/json")).status).toBe(400);
  expect((await send("rules=1", "application/x-www-form-urlencoded")).status).toBe(415);
});

test("policies of tenants and modes are apart", async () => {
  const [left, right] = [newId("ten"), newId("ten")];
  await call(fraud, testKey(left, "live"), "PUT", "/fraud/policy", amountPolicy(5));
  for (const key of [testKey(left, "test"), testKey(right, "live")]) {
    expect((await call(fraud, key, "GET", "/fraud/policy")).body.is_default).toBe(true);
  }
  const answers = await score(fraud, [
    payment(left, { mode: "live" }),
    payment(left, { mode: "test" }),
    payment(right, { mode: "live" }),
  ]);
  expect(answers.map(({ decision, fail_mode }) => [decision, fail_mode])).toEqual([
    ["flag", "block"],
    ["allow", "review"],
    ["allow", "review"],
  ]);
});

test("a decision shows every rule with the value it saw and its limit", async () => {
  const tenantId = newId("ten");
  const made = Array.from({ length: 11 }, () => payment(tenantId, { customer_id: "ada", amount: 600_000 }));
  await score(fraud, made);
  const last = made.map((one) => one.payment_id).sort()[10];
  const { status, body } = await call(fraud, testKey(tenantId), "GET", `/fraud/decisions/${last}`);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    payment_id: last,
    tenant_id: tenantId,
    mode: "live",
    decision: "block",
    score: 100,
    rules: ["velocity_check", "amount_threshold"],
    fail_mode: "review",
    policy_hash: fraud.deps.fallback.hash,
  });
  const shown = Object.fromEntries(
    body.evaluations.map((one: Record<string, unknown>) => [
      one.id,
      [one.value, one.limit, one.triggered, one.mode],
    ]),
  );
  expect(shown).toEqual({
    "velocity_check:customer": [11, 10, true, "enforce"],
    "velocity_check:card": [null, 10, false, "enforce"],
    "velocity_check:tenant": [11, 10, true, "shadow"],
    amount_threshold: [600_000, 500_000, true, "enforce"],
    "repeat_failure:customer": [0, 3, false, "enforce"],
    "repeat_failure:card": [null, 3, false, "enforce"],
    "repeat_failure:tenant": [0, 3, false, "shadow"],
  });
});

test("another tenant's decision, the other mode's, an unknown and a malformed id are all the same 404", async () => {
  const tenantId = newId("ten");
  const mine = payment(tenantId);
  await score(fraud, [mine]);
  const path = `/fraud/decisions/${mine.payment_id}`;
  expect((await call(fraud, testKey(tenantId), "GET", path)).status).toBe(200);
  const refusals = [
    await call(fraud, testKey(newId("ten")), "GET", path),
    await call(fraud, testKey(tenantId, "test"), "GET", path),
    await call(fraud, testKey(tenantId), "GET", `/fraud/decisions/${newId("pay")}`),
    await call(fraud, testKey(tenantId), "GET", "/fraud/decisions/%00"),
    await call(fraud, testKey(tenantId), "GET", `/fraud/decisions/${newId("ten")}`),
  ];
  for (const { status, body } of refusals) {
    expect(status).toBe(404);
    expect({ ...body, request_id: "" }).toEqual({ ...refusals[0]?.body, request_id: "" });
  }
});

test("flags are listed newest first, page by page, each page the same while new ones come in", async () => {
  const tenantId = newId("ten");
  const key = testKey(tenantId);
  const flagged = Array.from({ length: 5 }, () => payment(tenantId, { amount: 500_001 }));
  for (const one of flagged) await score(fraud, [one]);
  const ids = flagged.map((one) => one.payment_id).reverse();
  const idsOf = (page: { body: { data: { payment_id: string }[] } }) =>
    page.body.data.map((one) => one.payment_id);
  const first = await call(fraud, key, "GET", "/fraud/flags?limit=2");
  expect(idsOf(first)).toEqual(ids.slice(0, 2));
  expect(first.body.has_more).toBe(true);
  const next = `/fraud/flags?limit=2&cursor=${first.body.next_cursor}`;
  const second = await call(fraud, key, "GET", next);
  expect(idsOf(second)).toEqual(ids.slice(2, 4));
  await score(fraud, [payment(tenantId, { amount: 500_001 })]);
  expect((await call(fraud, key, "GET", next)).body).toEqual(second.body);
  const last = await call(fraud, key, "GET", `/fraud/flags?limit=2&cursor=${second.body.next_cursor}`);
  expect(idsOf(last)).toEqual(ids.slice(4));
  expect(last.body).toMatchObject({ has_more: false, next_cursor: null });

  const foreign = `/fraud/flags?cursor=${first.body.next_cursor}`;
  expect((await call(fraud, testKey(newId("ten")), "GET", foreign)).body.code).toBe("invalid_cursor");
  expect((await call(fraud, testKey(tenantId, "test"), "GET", foreign)).body.code).toBe("invalid_cursor");
  expect((await call(fraud, testKey(tenantId, "test"), "GET", "/fraud/flags")).body.data).toEqual([]);
  expect(idsOf(await call(fraud, key, "GET", `/fraud/flags?payment_id=${ids[0]}`))).toEqual(ids.slice(0, 1));
  expect(idsOf(await call(fraud, key, "GET", "/fraud/flags?decision=block"))).toEqual([]);
  expect((await call(fraud, key, "GET", "/fraud/flags?decision=allow")).status).toBe(400);
  expect((await call(fraud, key, "GET", "/fraud/flags?surprise=1")).status).toBe(400);
});

test("reading needs fraud:read and changing needs fraud:write, and neither does with any other scope", async () => {
  const tenantId = newId("ten");
  const routes = [
    ["GET", "/fraud/policy", "fraud:read"],
    ["PUT", "/fraud/policy", "fraud:write"],
    ["GET", "/fraud/flags", "fraud:read"],
    ["GET", `/fraud/decisions/${newId("pay")}`, "fraud:read"],
  ] as const;
  for (const [method, path, needed] of routes) {
    const body = method === "PUT" ? amountPolicy(1) : undefined;
    const others = scopes.filter((scope) => scope !== needed);
    const refused = await call(fraud, testKey(tenantId, "live", others), method, path, body);
    expect({ path, status: refused.status, code: refused.body.code }).toEqual({
      path,
      status: 403,
      code: "insufficient_scope",
    });
    expect((await call(fraud, testKey(tenantId, "live", [needed]), method, path, body)).status).not.toBe(403);
  }
});
