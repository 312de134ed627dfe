import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { clean } from "../src/upkeep/upkeep.ts";
import {
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  paymentSettled,
  type Replica,
  startReplica,
} from "./fixture.ts";
import { startReceiver } from "./receiver.ts";

const day = 86_400;
let database: NotifierDatabase;
let notifier: Replica;

beforeAll(async () => {
  database = await notifierDatabase();
  notifier = startReplica(database);
}, 60_000);

afterAll(async () => {
  await notifier.stop();
  await database.drop();
});

const running = new AbortController().signal;
const partitions = async () =>
  (
    await database.sql`select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
                       where i.inhparent = 'attempt'::regclass order by 1`
  ).map((row) => String(row.name));

test("attempts have a partition of each day from yesterday to a week ahead, however often they are made", async () => {
  await Promise.all(Array.from({ length: 5 }, () => notifier.upkeep.makePartitions()));
  const names = await partitions();
  expect(names).toHaveLength(9);
  const today = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  expect(names).toContain(`attempt_${today}`);
});

test("partitions are dropped once their day ended more than 30 days ago, and not before", async () => {
  const nameOf = (daysAgo: number) =>
    `attempt_${new Date(Date.now() - daysAgo * day * 1_000).toISOString().slice(0, 10).replaceAll("-", "")}`;
  for (const daysAgo of [45, 31, 30]) {
    const from = new Date(Date.now() - daysAgo * day * 1_000).toISOString().slice(0, 10);
    const to = new Date(Date.now() - (daysAgo - 1) * day * 1_000).toISOString().slice(0, 10);
    await database.owner.sql.unsafe(
      `create table ${nameOf(daysAgo)} partition of attempt for values from ('${from} 00:00+00') to ('${to} 00:00+00')`,
    );
  }
  await clean(notifier.upkeep, running);
  const names = await partitions();
  expect(names).not.toContain(nameOf(45));
  expect(names).not.toContain(nameOf(31));
  expect(names).toContain(nameOf(30));
});

test("an attempt on a day without a partition makes one", async () => {
  const owner = newOwner();
  const receiver = startReceiver();
  await notifier.putDefault(owner, receiver.url);
  for (const name of await partitions()) await database.owner.sql.unsafe(`drop table ${name}`);
  await notifier.consume(paymentSettled(owner));
  await eventually(async () => {
    const { data } = (await notifier.call(owner, "GET", "/webhook-deliveries?status=delivered")).body;
    return data.length === 1;
  });
  expect(await partitions()).toHaveLength(9);
  receiver.close();
});

test("finished messages go after 30 days with their deliveries; what still waits stays", async () => {
  const owner = newOwner();
  const receiver = startReceiver();
  await notifier.putDefault(owner, receiver.url);
  const waiting = newOwner();
  const { endpoint_id: off } = await notifier.putDefault(waiting, "http://127.0.0.1:1/");
  await notifier.consume(...Array.from({ length: 20 }, () => paymentSettled(owner)), paymentSettled(waiting));
  await eventually(async () => {
    const { data } = (await notifier.call(owner, "GET", "/webhook-deliveries?status=delivered&limit=100"))
      .body;
    return data.length === 20;
  });
  await notifier.call(waiting, "PATCH", `/webhook-endpoints/${off}`, { enabled: false });
  const count = async (of: { tenantId: string }) => {
    const [row] = await database.sql<{ messages: number; deliveries: number }[]>`
      select (select count(*)::integer from message where tenant_id = ${of.tenantId}) as messages,
             (select count(*)::integer from delivery where tenant_id = ${of.tenantId}) as deliveries`;
    return [row?.messages, row?.deliveries];
  };
  await database.advance(29.9 * day);
  expect(await notifier.upkeep.cancelOrphans(100, 30)).toBe(0);
  await clean(notifier.upkeep, running);
  expect(await count(owner)).toEqual([20, 20]);
  await database.advance(0.2 * day);
  await clean(notifier.upkeep, running);
  expect(await count(owner)).toEqual([0, 0]);
  expect(await count(waiting)).toEqual([1, 1]);
  // Its endpoint has been disabled for thirty days now.
  expect(await notifier.upkeep.cancelOrphans(100, 30)).toBe(1);
  const { data } = (await notifier.call(waiting, "GET", "/webhook-deliveries?status=canceled")).body;
  expect(data).toHaveLength(1);
  receiver.close();
});

test("a deleted endpoint's row goes with its last delivery", async () => {
  const owner = newOwner();
  const { endpoint_id: id } = await notifier.putDefault(owner, "http://127.0.0.1:1/");
  await notifier.call(owner, "DELETE", `/webhook-endpoints/${id}`);
  await clean(notifier.upkeep, running);
  const rows = await database.sql`select id from endpoint where id = ${id}
    union all select endpoint_id from endpoint_queue where endpoint_id = ${id}`;
  expect([...rows]).toEqual([]);
});

test.each([
  "create table mine (id integer)",
  "drop table attempt",
  "delete from attempt",
  "update attempt set error = null",
  "truncate delivery",
  "create table attempt_20200101 partition of attempt for values from ('2020-01-01') to ('2020-01-02')",
  "select drop_attempt_partitions(1)",
  "select make_attempt_partitions(100000)",
  "alter function drop_attempt_partitions(integer) set search_path = public",
  "set role notifier_owner",
])("the service's role may not: %s", async (statement) => {
  await expect(database.sql.unsafe(statement)).rejects.toThrow();
});

test("the owner's functions look nowhere but where they say", async () => {
  const rows = await database.sql`
    select proname, prosecdef, proconfig::text as config from pg_proc where prosecdef and pronamespace = 'public'::regnamespace`;
  expect(rows.map((row) => row.proname).sort()).toEqual([
    "drop_attempt_partitions",
    "make_attempt_partitions",
  ]);
  for (const row of rows) expect(row.config).toContain("search_path=pg_catalog, public, pg_temp");
});
