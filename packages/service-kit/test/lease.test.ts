import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import { connectDatabase, type Database } from "../src/store/database.ts";
import { acquireLease, acquireLeases, newHolder, releaseLeases, renewLease } from "../src/store/lease.ts";

setDefaultTimeout(60_000);

let database: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  const made = await testPostgres({
    name: "relay",
    migrations: path.join(import.meta.dir, "outbox/migrations"),
  });
  database = connectDatabase(made.serviceUrl, { name: "lease-test" });
  drop = made.drop;
});
afterAll(async () => {
  await database.close();
  await drop();
});

const leaseSeconds = 30;
const request = () => ({ name: `job-${crypto.randomUUID()}`, leaseSeconds });

test("of many who ask at once one gets the lease", async () => {
  const asked = request();
  const fences = await Promise.all(
    Array.from({ length: 20 }, () => acquireLease(database.sql, { ...asked, holder: newHolder("test") })),
  );
  expect(fences.filter((fence) => fence !== null)).toEqual([1]);
});

test("the fence stays while the holder does and grows with each change of holder", async () => {
  const asked = request();
  const acquire = (holder: string) => acquireLease(database.sql, { ...asked, holder });
  expect(await acquire("one")).toBe(1);
  expect(await acquire("one")).toBe(1);
  expect(await acquire("other")).toBeNull();
  await releaseLeases(database.sql, "one", [asked.name]);
  expect(await acquire("other")).toBe(2);
  expect(await renewLease(database.sql, { ...asked, holder: "one", fence: 1 })).toBe(false);
  expect(await renewLease(database.sql, { ...asked, holder: "other", fence: 2 })).toBe(true);
  await releaseLeases(database.sql, "one", [asked.name]);
  expect(await acquire("one")).toBeNull();
});

test("a lease that was not extended goes to another, by the store's clock", async () => {
  const asked = { ...request(), leaseSeconds: 0.2 };
  expect(await acquireLease(database.sql, { ...asked, holder: "one" })).toBe(1);
  const fence = await eventually(async () => {
    return (await acquireLease(database.sql, { ...asked, holder: "other" })) ?? false;
  });
  expect(fence).toBe(2);
  expect(await renewLease(database.sql, { ...asked, holder: "one", fence: 1 })).toBe(false);
});

test("several leases are taken in one statement, as far as they are free", async () => {
  const names = ["a", "b", "c"].map((name) => `${name}-${crypto.randomUUID()}`);
  const [first = ""] = names;
  await acquireLease(database.sql, { name: first, holder: "other", leaseSeconds });
  const fences = await acquireLeases(database.sql, { names, holder: "one", leaseSeconds });
  expect([...fences.keys()].sort()).toEqual(names.slice(1).sort());
});
