import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Scope } from "@payflow/contracts/access.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import {
  keyOf,
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  type Owner,
  paymentSettled,
  type Replica,
  startReplica,
} from "./fixture.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

let database: NotifierDatabase;
let notifier: Replica;
let receiver: Receiver;
let status = 200;

beforeAll(async () => {
  database = await notifierDatabase();
  notifier = startReplica(database);
  receiver = startReceiver(() => new Response("answer", { status }));
}, 60_000);

afterAll(async () => {
  receiver.close();
  await notifier.stop();
  await database.drop();
});

async function addEndpoint(owner: Owner, events = ["payment.settled"]): Promise<string> {
  const made = await notifier.call(owner, "POST", "/webhook-endpoints", { url: receiver.url, events });
  return made.body.endpoint_id;
}

const list = async (owner: Owner, query = "") =>
  (await notifier.call(owner, "GET", `/webhook-deliveries${query}`)).body;
const read = async (owner: Owner, id: string) =>
  (await notifier.call(owner, "GET", `/webhook-deliveries/${id}`)).body;

/** One event with one attempt made, answered as `status` says. */
async function attempted(owner: Owner) {
  const event = paymentSettled(owner);
  await notifier.consume(event);
  const [delivery] = await eventually(async () => {
    const { data } = await list(owner, `?event_id=${event.event_id}`);
    return data[0]?.last_attempt_at !== null && data[0]?.status !== "sending" && data;
  });
  return { event, delivery };
}

test("a list is filtered by endpoint, event and status, and paged newest first", async () => {
  status = 200;
  const owner = newOwner();
  const [first, second] = [await addEndpoint(owner), await addEndpoint(owner)];
  const { event } = await attempted(owner);
  await attempted(owner);
  await eventually(async () => (await list(owner, "?status=delivered")).data.length === 4);
  expect((await list(owner, `?endpoint_id=${first}`)).data).toHaveLength(2);
  expect((await list(owner, `?endpoint_id=${second}&event_id=${event.event_id}`)).data).toHaveLength(1);
  for (const empty of ["pending", "sending", "failed", "canceled"]) {
    expect((await list(owner, `?status=${empty}`)).data).toEqual([]);
  }
  const all = (await list(owner)).data.map((one: { delivery_id: string }) => one.delivery_id);
  expect(all).toEqual(all.toSorted().toReversed());
  const page = await list(owner, "?limit=3");
  expect(page.has_more).toBe(true);
  const rest = await list(owner, `?limit=3&cursor=${page.next_cursor}`);
  expect([...page.data, ...rest.data].map((one) => one.delivery_id)).toEqual(all);
  expect(rest).toMatchObject({ has_more: false, next_cursor: null });
  for (const other of [newOwner(), { ...owner, mode: "test" as const }]) {
    expect((await list(other)).data).toEqual([]);
    expect((await list(other, `?event_id=${event.event_id}`)).data).toEqual([]);
    expect((await list(other, `?cursor=${page.next_cursor}`)).code).toBe("invalid_cursor");
  }
  for (const wrong of ["?status=lost", "?limit=101", "?color=red", "?endpoint_id="]) {
    expect((await notifier.call(owner, "GET", `/webhook-deliveries${wrong}`)).status).toBe(400);
  }
});

describe("POST /webhook-deliveries/:id/resend", () => {
  test("sends a delivered message again, with its id and its bytes", async () => {
    status = 200;
    const owner = newOwner();
    await addEndpoint(owner);
    const { event, delivery } = await attempted(owner);
    const answer = await notifier.call(owner, "POST", `/webhook-deliveries/${delivery.delivery_id}/resend`);
    expect(answer.status).toBe(202);
    expect(answer.body.delivery_id).toBe(delivery.delivery_id);
    await eventually(async () => {
      const { attempt_count, status: now } = await read(owner, delivery.delivery_id);
      return attempt_count === 2 && now === "delivered";
    });
    const sent = receiver.received.filter((one) => one.headers.get("webhook-id") === event.event_id);
    expect(sent).toHaveLength(2);
    expect(sent[0]?.body).toBe(sent[1]?.body ?? "");
  });

  test("makes one that waits due at once and begins a new schedule", async () => {
    status = 500;
    const owner = newOwner();
    await addEndpoint(owner);
    const { delivery } = await attempted(owner);
    await notifier.call(owner, "POST", `/webhook-deliveries/${delivery.delivery_id}/resend`);
    const again = await eventually(async () => {
      const found = await read(owner, delivery.delivery_id);
      return found.attempt_count === 2 && found.status === "pending" && found;
    });
    const waitSeconds = (Date.parse(again.next_attempt_at) - Date.parse(again.last_attempt_at)) / 1_000;
    expect(waitSeconds).toBeGreaterThan(25);
    expect(waitSeconds).toBeLessThan(36);
  });

  test("is refused while the endpoint is disabled, and after it was deleted", async () => {
    status = 200;
    const owner = newOwner();
    const endpointId = await addEndpoint(owner);
    const { delivery } = await attempted(owner);
    const resend = () => notifier.call(owner, "POST", `/webhook-deliveries/${delivery.delivery_id}/resend`);
    await notifier.call(owner, "PATCH", `/webhook-endpoints/${endpointId}`, { enabled: false });
    expect([(await resend()).status, (await resend()).body.code]).toEqual([409, "invalid_state"]);
    await notifier.call(owner, "DELETE", `/webhook-endpoints/${endpointId}`);
    expect((await resend()).status).toBe(409);
    expect((await read(owner, delivery.delivery_id)).status).toBe("delivered");
  });
});

const routes: readonly (readonly [string, string, Scope])[] = [
  ["GET", "", "webhooks:read"],
  ["POST", "/resend", "webhooks:write"],
];

test.each(routes)(
  "%s /webhook-deliveries/:id%s is not there for others and needs its scope",
  async (method, rest, scope) => {
    status = 200;
    const owner = newOwner();
    await addEndpoint(owner);
    const { delivery } = await attempted(owner);
    const path = `/webhook-deliveries/${delivery.delivery_id}${rest}`;
    for (const other of [newOwner(), { ...owner, mode: "test" as const }]) {
      const refused = await notifier.call(other, method, path);
      expect([refused.status, refused.body.code]).toEqual([404, "not_found"]);
    }
    for (const id of [newId("dlv"), newId("whe"), "dlv_1", "%20", "x".repeat(200)]) {
      expect((await notifier.call(owner, method, `/webhook-deliveries/${id}${rest}`)).status).toBe(404);
    }
    const lacking = keyOf(owner, scope === "webhooks:read" ? ["webhooks:write"] : ["webhooks:read"]);
    expect((await notifier.call(lacking, method, path)).body.code).toBe("insufficient_scope");
    expect((await notifier.call(keyOf(owner, [scope]), method, path)).status).toBeLessThan(300);
    expect((await read(owner, delivery.delivery_id)).attempt_count).toBeLessThanOrEqual(rest === "" ? 1 : 2);
  },
);

test("a test event is signed, sent and seen, whatever the endpoint is subscribed to", async () => {
  status = 200;
  const owner = newOwner();
  const endpointId = await addEndpoint(owner, ["refund.settled"]);
  const tested = await notifier.call(owner, "POST", `/webhook-endpoints/${endpointId}/test`);
  expect(tested.status).toBe(202);
  await eventually(async () => (await read(owner, tested.body.delivery_id)).status === "delivered");
  const [sent] = receiver.received.filter((one) => one.headers.get("webhook-id") === tested.body.event_id);
  expect(JSON.parse(sent?.body ?? "")).toMatchObject({ event: "webhook.test", endpoint_id: endpointId });
  expect(sent?.headers.get("webhook-signature")).toMatch(/^v1,/);
});

test("a disabled endpoint keeps what waits, gets nothing of that time, and goes on when enabled", async () => {
  status = 500;
  const owner = newOwner();
  const endpointId = await addEndpoint(owner);
  const { delivery } = await attempted(owner);
  await notifier.call(owner, "PATCH", `/webhook-endpoints/${endpointId}`, { enabled: false });
  await notifier.consume(paymentSettled(owner));
  await database.advance(3_600);
  expect((await list(owner)).data).toHaveLength(1);
  expect((await read(owner, delivery.delivery_id)).status).toBe("pending");
  status = 200;
  await notifier.call(owner, "PATCH", `/webhook-endpoints/${endpointId}`, { enabled: true });
  await eventually(async () => (await read(owner, delivery.delivery_id)).status === "delivered");
});

test("what waits for a deleted endpoint is canceled and never sent", async () => {
  status = 500;
  const owner = newOwner();
  const endpointId = await addEndpoint(owner);
  const { event, delivery } = await attempted(owner);
  await notifier.call(owner, "DELETE", `/webhook-endpoints/${endpointId}`);
  expect(await notifier.upkeep.cancelOrphans(100, 30)).toBe(1);
  expect((await list(owner, "?status=canceled")).data).toMatchObject([{ delivery_id: delivery.delivery_id }]);
  await database.advance(86_400);
  notifier.worker?.wake();
  await notifier.consume(paymentSettled(owner));
  expect((await list(owner)).data).toHaveLength(1);
  expect(receiver.received.filter((one) => one.headers.get("webhook-id") === event.event_id)).toHaveLength(1);
});

test("an attempt under way when its endpoint is deleted ends, and is not tried again", async () => {
  const owner = newOwner();
  const gate = Promise.withResolvers<void>();
  const slow = startReceiver(async () => {
    await gate.promise;
    return new Response("", { status: 500 });
  });
  const made = await notifier.call(owner, "POST", "/webhook-endpoints", {
    url: slow.url,
    events: ["payment.settled"],
  });
  await notifier.consume(paymentSettled(owner));
  await eventually(() => slow.received.length === 1);
  await notifier.call(owner, "DELETE", `/webhook-endpoints/${made.body.endpoint_id}`);
  gate.resolve();
  await eventually(async () => (await list(owner, "?status=canceled")).data.length === 1);
  slow.close();
});
