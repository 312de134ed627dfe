import { afterEach, beforeEach, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { createMessagesStore } from "../src/messages/messages.store.ts";
import {
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  type Owner,
  paymentSettled,
  type Replica,
  startReplica,
} from "./fixture.ts";
import { expectConsistentQueue } from "./queue-state.ts";
import { type Receiver, startHangingReceiver, startReceiver } from "./receiver.ts";

/** The contract's bound: no other endpoint delays a healthy one by more than a second. */
const boundMs = 1_000;

let database: NotifierDatabase;
let notifier: Replica;
let hanging: Receiver;
let healthy: Receiver;

beforeEach(async () => {
  database = await notifierDatabase();
  notifier = startReplica(database);
  hanging = startHangingReceiver();
  healthy = startReceiver();
}, 60_000);

afterEach(async () => {
  // Closed first, so that the attempts that hang end.
  hanging.close();
  healthy.close();
  await notifier.stop();
  await expectConsistentQueue(database.sql);
  await database.drop();
});

async function addEndpoint(owner: Owner, url: string, rate?: number): Promise<string> {
  const made = await notifier.call(owner, "POST", "/webhook-endpoints", {
    url,
    events: ["payment.settled"],
    ...(rate === undefined ? {} : { rate_per_second: rate }),
  });
  return made.body.endpoint_id;
}

const events = (owner: Owner, count: number) => Array.from({ length: count }, () => paymentSettled(owner));

/** Lets events of the owner happen one after the other; each must arrive within the bound. */
async function expectPrompt(owner: Owner, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const event = paymentSettled(owner);
    const startedAtMs = performance.now();
    await notifier.consume(event);
    const arrivedAtMs = await arrival(event.event_id, startedAtMs + 5 * boundMs);
    expect(arrivedAtMs - startedAtMs).toBeLessThan(boundMs);
  }
}

async function arrival(eventId: string, untilMs: number): Promise<number> {
  while (performance.now() < untilMs) {
    const found = healthy.received.find((one) => one.headers.get("webhook-id") === eventId);
    if (found !== undefined) return found.atMs;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`${eventId} did not arrive`);
}

test("an endpoint that hangs does not delay the others, of its own tenant or another", async () => {
  const slow = newOwner();
  const other = newOwner();
  await addEndpoint(slow, hanging.url);
  await addEndpoint(other, healthy.url);
  await notifier.consume(...events(slow, 200));
  await expectPrompt(other, 20);
  await addEndpoint(slow, healthy.url);
  await expectPrompt(slow, 20);
  // It holds no more places than an endpoint that has not proven itself may.
  expect(hanging.received.length).toBeLessThanOrEqual(4);
});

test("an endpoint with 10,000 waiting deliveries does not delay the others", async () => {
  const busy = newOwner();
  const other = newOwner();
  const hangs = await addEndpoint(busy, hanging.url);
  const limited = await addEndpoint(busy, healthy.url, 50);
  await addEndpoint(other, healthy.url);
  await fill(busy, [hangs, limited], 10_000);
  notifier.worker?.wake();
  await expectPrompt(other, 30);
  const [row] =
    await database.sql`select count(*)::integer as n from delivery_queue where endpoint_id = ${hangs}`;
  expect(row?.n).toBe(10_000);
});

test("an endpoint that takes its 10,000 as fast as it can does not delay the others either", async () => {
  const busy = newOwner();
  const other = newOwner();
  const endpointId = await addEndpoint(busy, startQuiet().url);
  await addEndpoint(other, healthy.url);
  await fill(busy, [endpointId], 10_000);
  notifier.worker?.wake();
  await expectPrompt(other, 30);
});

test("a tenant with fifty hanging endpoints does not delay another tenant", async () => {
  const slow = newOwner();
  const other = newOwner();
  await Promise.all(Array.from({ length: 50 }, () => addEndpoint(slow, hanging.url)));
  await addEndpoint(other, healthy.url);
  await notifier.consume(...events(slow, 100));
  await expectPrompt(other, 30);
  expect(hanging.received.length).toBeLessThanOrEqual(128);
  expect(hanging.received.length).toBeGreaterThan(50);
});

test("of few places some are left for endpoints that work, however many tenants hang", async () => {
  await notifier.stop();
  notifier = startReplica(database, { maxInFlight: 120 });
  const slow = Array.from({ length: 8 }, () => newOwner());
  const other = newOwner();
  await addEndpoint(other, healthy.url);
  await expectPrompt(other, 1);
  for (const owner of slow) {
    await Promise.all(Array.from({ length: 10 }, () => addEndpoint(owner, hanging.url)));
    await notifier.consume(...events(owner, 2));
  }
  await expectPrompt(other, 20);
});

test("an endpoint with a rate is sent no more than that", async () => {
  const owner = newOwner();
  await addEndpoint(owner, healthy.url, 20);
  await notifier.consume(...events(owner, 60));
  await eventually(() => healthy.received.length === 60);
  const times = healthy.received.map((one) => one.atMs).sort((left, right) => left - right);
  // Two may go at once, a tenth of a second's worth; a claim's attempts leave within a few milliseconds of
  // each other.
  const inOneSecond = times.map((from) => times.filter((at) => at >= from && at < from + 950).length);
  expect(Math.max(...inOneSecond)).toBeLessThanOrEqual(22);
});

function startQuiet(): Receiver {
  const receiver = startReceiver();
  const close = hanging.close;
  hanging = { ...hanging, close: () => [close, receiver.close].map((one) => one()) };
  return receiver;
}

/** Puts deliveries into the queue as the consumer does, in large batches. */
async function fill(owner: Owner, endpoints: readonly string[], count: number): Promise<void> {
  const messages = events(owner, count).map((event) => ({
    tenantId: owner.tenantId,
    mode: owner.mode,
    eventId: event.event_id,
    event: "payment.settled",
    body: JSON.stringify(event.data),
    requestId: null,
    traceparent: null,
  }));
  const planned = messages.flatMap((_, place) =>
    endpoints.map((endpointId) => ({ deliveryId: newId("dlv"), place, endpointId })),
  );
  await createMessagesStore(database.sql).enqueue("bus", messages, planned);
}
