import { afterAll, beforeAll, expect, test } from "bun:test";
import { derivedId, newId } from "@payflow/contracts/ids.ts";
import { messagesPath, wantedPath } from "@payflow/contracts/internal-notifier.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import {
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  type Owner,
  type Replica,
  startReplica,
} from "./fixture.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

let database: NotifierDatabase;
let notifier: Replica;
let receiver: Receiver;

beforeAll(async () => {
  database = await notifierDatabase();
  notifier = startReplica(database);
  receiver = startReceiver();
}, 60_000);

afterAll(async () => {
  receiver.close();
  await notifier.stop();
  await database.drop();
});

const event = "payment_exhaust.received";

const messageOf = (owner: Owner, callersId: string, data: object = {}) => ({
  event_id: derivedId("evt", [owner.tenantId, owner.mode, "merchant", callersId]),
  event,
  tenant_id: owner.tenantId,
  mode: owner.mode,
  sequence: 1,
  data: { payment_exhaust: { event_id: callersId }, ...data },
});

const hand = (...messages: readonly unknown[]) =>
  notifier.callInternal(messagesPath, { source: "ingest", messages });
const arrived = (eventId: string) =>
  receiver.received.filter((one) => one.headers.get("webhook-id") === eventId);
const rowsOf = async (owner: Owner) =>
  (await database.sql`select 1 from message where tenant_id = ${owner.tenantId}`).length;

async function subscribe(owner: Owner, events: readonly string[] = [event]) {
  return notifier.call(owner, "POST", "/webhook-endpoints", { url: receiver.url, events });
}

test("a message is sent to who asked for its event, under its own id, and once however often it is handed over", async () => {
  const owner = newOwner();
  expect((await subscribe(owner)).status).toBe(201);
  const message = messageOf(owner, "order-1", { event: "forged", tenant_id: "forged" });
  for (let round = 0; round < 3; round += 1) {
    expect((await hand(message, message)).body).toEqual({
      results: [{ status: "queued" }, { status: "queued" }],
    });
  }
  const last = messageOf(owner, "order-2");
  await hand(last);
  await eventually(() => arrived(last.event_id).length > 0);
  const [webhook, ...more] = arrived(message.event_id);
  expect(more).toEqual([]);
  expect(JSON.parse(webhook?.body ?? "")).toEqual({
    event,
    event_id: message.event_id,
    sequence: 1,
    payment_id: null,
    tenant_id: owner.tenantId,
    mode: "live",
    payment_exhaust: { event_id: "order-1" },
  });
});

test("one id means one message a tenant and mode, and not one for all", async () => {
  const owner = newOwner();
  const other: Owner = { ...owner, mode: "test" };
  await Promise.all([subscribe(owner), subscribe(other)]);
  const eventId = newId("evt");
  const both = [owner, other].map((one) => ({ ...messageOf(one, "same"), event_id: eventId }));
  expect((await hand(...both)).body.results).toEqual([{ status: "queued" }, { status: "queued" }]);
  await eventually(() => arrived(eventId).length === 2);
});

test("a message that nobody asked for writes nothing", async () => {
  const owner = newOwner();
  await subscribe(owner, ["payment.settled"]);
  expect((await hand(messageOf(owner, "a"), messageOf(newOwner(), "b"))).body.results).toEqual([
    { status: "unwanted" },
    { status: "unwanted" },
  ]);
  expect(await rowsOf(owner)).toBe(0);
});

test("a wrong message is told by itself and spoils no other", async () => {
  const owner = newOwner();
  await subscribe(owner);
  const good = messageOf(owner, "good");
  const wrong = [
    { ...good, event: "payment.settled" },
    { ...good, event_id: "mine" },
    { ...good, tenant_id: "ten_1" },
    { ...good, data: [] },
    { ...good, color: "red" },
    null,
  ];
  const { status, body } = await hand(...wrong, good);
  expect(status).toBe(200);
  expect(body.results.map((one: { status: string }) => one.status)).toEqual([
    ...wrong.map(() => "invalid"),
    "queued",
  ]);
  expect(await rowsOf(owner)).toBe(1);
});

test("who asks what is wanted is answered in order, for each event and mode", async () => {
  const owner = newOwner();
  await subscribe(owner, ["processor.degraded"]);
  const ask = (mode: string, name: string) => ({ tenant_id: owner.tenantId, mode, event: name });
  const { body } = await notifier.callInternal(wantedPath, {
    events: [ask("live", event), ask("live", "processor.degraded"), ask("test", "processor.degraded")],
  });
  expect(body).toEqual({ wanted: [false, true, false] });
});

test("a default endpoint is told the events of ingest, and the routes take no other secret", async () => {
  const owner = newOwner();
  await notifier.putDefault(owner, receiver.url);
  expect((await hand(messageOf(owner, "a"))).body.results).toEqual([{ status: "queued" }]);
  const refused = await notifier.callInternal(messagesPath, { source: "ingest", messages: [] }, "wrong");
  expect(refused).toMatchObject({ status: 401, body: { code: "invalid_internal_token" } });
  const empty = await notifier.callInternal(messagesPath, { source: "bus", messages: [] });
  expect(empty).toMatchObject({ status: 400, body: { code: "invalid_request" } });
});
