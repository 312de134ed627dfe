import { afterAll, beforeAll, expect, test } from "bun:test";
import { firstIdAt, newId } from "@payflow/contracts/ids.ts";
import { isTransient } from "@payflow/service-kit/store/database.ts";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import postgres from "postgres";
import { warmUp } from "../src/scoring/warm-up.ts";
import { tick } from "../src/upkeep/upkeep.ts";
import {
  call,
  created,
  type Fraud,
  outboxOf,
  payment,
  score,
  scoresRequest,
  settled,
  startFraud,
  startLimitMs,
  testKey,
} from "./fraud-service.ts";

let fraud: Fraud;
beforeAll(async () => {
  fraud = await startFraud();
}, startLimitMs);
afterAll(() => fraud.close());

test("with the cache Redis away scoring answers 503 with Retry-After, and goes on once it is back", async () => {
  const one = payment(newId("ten"));
  await fraud.servers.cache.stop();
  const refused = await fraud.internalApp.handle(scoresRequest({ payments: [one] }));
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  // A consumer would retry this without limit.
  const unscored = payment(one.tenant_id, { amount: 600_000 });
  const handled = async () => {
    await fraud.handlers["payment.created"]([created(unscored)]);
    await fraud.handlers["payment.settled"]([settled(unscored, { decision: "allow", source: "fail_mode" })]);
  };
  const error = await handled().catch((caught: unknown) => caught);
  expect(isTransient(error)).toBe(true);
  await fraud.servers.cache.start();
  const answers = await eventually(() => score(fraud, [one]));
  expect(answers[0]?.decision).toBe("allow");
  await handled();
  expect((await outboxOf(fraud, unscored.payment_id)).map(({ data }) => data.late)).toEqual([true]);
});

test("the counting scripts are sent again to a Redis that lost them", async () => {
  await score(fraud, [payment(newId("ten"))]);
  await fraud.redis.script("FLUSH");
  expect((await score(fraud, [payment(newId("ten"))]))[0]?.decision).toBe("allow");
});

test("a payment whose decision could not be stored is counted once and keeps its place in the window", async () => {
  const tenantId = newId("ten");
  const by = { customer_id: "ada" };
  const lost = payment(tenantId, by);
  const admin = postgres(fraud.postgres.adminUrl, { max: 1 });
  try {
    await admin`revoke insert on decision from fraud_service`;
    expect((await fraud.internalApp.handle(scoresRequest({ payments: [lost] }))).status).toBe(500);
    await admin`grant insert on decision to fraud_service`;
  } finally {
    await admin.end();
  }
  await score(
    fraud,
    Array.from({ length: 12 }, () => payment(tenantId, by)),
  );
  // It was the first of its window and is judged as such.
  expect((await score(fraud, [lost]))[0]?.decision).toBe("allow");
});

test("warming up leaves nothing behind", async () => {
  const [keys, [rows]] = [
    await fraud.redis.dbsize(),
    await fraud.database.sql`select count(*) from decision`,
  ];
  await warmUp(fraud.deps);
  expect(await fraud.redis.dbsize()).toBe(keys);
  expect((await fraud.database.sql`select count(*) from decision`)[0]).toEqual(rows);
});

test("upkeep deletes what is over its time and nothing that may still be asked for", async () => {
  const tenantId = newId("ten");
  const days = (count: number) => Date.now() - count * 86_400_000;
  const [old, young] = [36, 34].map((count) =>
    payment(tenantId, { payment_id: firstIdAt("pay", days(count)), amount: 600_000 }),
  );
  if (old === undefined || young === undefined) throw new Error("two payments were made");
  const used = await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", {
    rules: [],
    fail_mode: "allow",
  });
  await call(fraud, testKey(tenantId), "PUT", "/fraud/policy", { rules: [], fail_mode: "block" });
  await call(fraud, testKey(tenantId, "test"), "PUT", "/fraud/policy", { rules: [] });
  const kept = payment(newId("ten"), { amount: 600_000 });
  await score(fraud, [{ ...old, tenant_id: kept.tenant_id }, { ...young, tenant_id: kept.tenant_id }, kept]);
  const admin = postgres(fraud.postgres.adminUrl, { max: 1 });
  try {
    await admin`update decision set decided_at = now() - interval '36 days' where payment_id = ${old.payment_id}`;
    await admin`update decision set decided_at = now() - interval '34 days' where payment_id = ${young.payment_id}`;
    await admin`update flag set flagged_at = now() - interval '36 days' where payment_id = ${old.payment_id}`;
    await admin`update policy_version set used_at = now() - interval '41 days'`;
  } finally {
    await admin.end();
  }
  const upkeep = { ...fraud.deps, sql: fraud.database.sql, logger: createLogger("test", "silent") };
  await tick(upkeep, "one", new AbortController().signal);
  const left = await fraud.deps.decisions.find([old, young, kept].map((one) => one.payment_id));
  expect(left.map((one) => one.paymentId).sort()).toEqual([young.payment_id, kept.payment_id].sort());
  const key = testKey(kept.tenant_id);
  const flags = (await call(fraud, key, "GET", "/fraud/flags")).body.data;
  expect(flags.map((flag: { payment_id: string }) => flag.payment_id).sort()).toEqual(
    [young.payment_id, kept.payment_id].sort(),
  );
  // Out of use and over its time: gone. In use, or the default: kept.
  expect(await fraud.deps.storedPolicies.version(used.body.policy_hash)).toBeNull();
  expect(await fraud.deps.storedPolicies.version(fraud.deps.fallback.hash)).not.toBeNull();
  expect((await call(fraud, testKey(tenantId, "test"), "GET", "/fraud/policy")).body.is_default).toBe(false);
  // Another replica finds the work taken.
  await tick(upkeep, "two", new AbortController().signal);
  const holders = await fraud.database.sql`select holder from lease where name = 'upkeep'`;
  expect(holders.map((row) => row.holder)).toEqual(["one"]);
});

test("as fraud's own role a decision cannot be changed, nor the tables altered", async () => {
  const one = payment(newId("ten"));
  await score(fraud, [one]);
  const { sql } = fraud.database;
  await expect(sql`update decision set decision = 'block'`.execute()).rejects.toThrow("permission denied");
  await expect(sql`update flag set is_late = true`.execute()).rejects.toThrow("permission denied");
  await expect(sql`truncate decision`.execute()).rejects.toThrow("permission denied");
  await expect(sql`create table mine (id int)`.execute()).rejects.toThrow("permission denied");
});
