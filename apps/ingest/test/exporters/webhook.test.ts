import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { derivedId } from "@payflow/contracts/ids.ts";
import { type HandedMessage, messagesPath, wantedPath } from "@payflow/contracts/internal-notifier.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { ExportSpace, internalSecret, newTenant } from "./fixture/export-space.ts";

let stores: TestRedisPair;
let space: ExportSpace;
let door: ReturnType<typeof startDoor>;

beforeAll(async () => {
  stores = await testRedis();
}, 60_000);
beforeEach(async () => {
  door = startDoor();
  space = await ExportSpace.open(stores.durable.url, { notifierUrl: door.url });
  await space.put("hooks", { kind: "webhook" });
});
afterEach(async () => {
  await space.end();
  door.close();
});
afterAll(() => stores.close());

/**
 * Stands where notifier's internal port would: what it takes is judged here, and what notifier makes of it in
 * notifier's own tests.
 */
function startDoor() {
  const received: HandedMessage[] = [];
  const state = { calls: 0, isAway: false, wanted: (_tenantId: string) => true, refused: new Set<string>() };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      state.calls += 1;
      if (state.isAway) return new Response("away", { status: 503 });
      if (request.headers.get("x-internal-token") !== internalSecret)
        return new Response("", { status: 401 });
      // Whatever came is what the exporter sent, which is under test.
      const body = (await request.json()) as { source: string; events: never[]; messages: HandedMessage[] };
      const { pathname } = new URL(request.url);
      if (pathname === wantedPath) {
        const wanted = body.events.map((one: { tenant_id: string }) => state.wanted(one.tenant_id));
        return Response.json({ wanted });
      }
      if (pathname !== messagesPath || body.source !== "ingest") return new Response("", { status: 404 });
      const results = body.messages.map((message: HandedMessage) => {
        const { payment_exhaust: event } = message.data as { payment_exhaust: { event_id: string } };
        if (state.refused.has(event.event_id)) return { status: "invalid", detail: "refused by the test" };
        received.push(message);
        return { status: "queued" };
      });
      return Response.json({ results });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    received,
    state,
    ids: () => new Set(received.map((message) => message.event_id)),
    close: () => void server.stop(true),
  };
}

const lag = async () => (await space.read("hooks")).lag.events;
const dead = async () => {
  const partitions = Array.from({ length: space.space.partitions }, (_, partition) => partition);
  const letters = await Promise.all(
    partitions.map((one) => space.redis.xrange(space.keys.dead(one), "-", "+")),
  );
  return letters.flat().map(([id, fields]): Record<string, string> => ({ id, ...pairs(fields) }));
};
const pairs = (fields: readonly string[]): Record<string, string> =>
  Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, at) => fields.slice(2 * at, 2 * at + 2)));

test("every event is handed over under an id that its tenant, mode, merchant, own id and sequence stand for", async () => {
  const tenantId = newTenant();
  await space.append(tenantId, 100);
  const uuid = "550E8400-E29B-41D4-A716-446655440000";
  const event = JSON.stringify({ event_id: uuid, merchant_id_hash: "m9" });
  const streamId = await space.appendText(tenantId, "m9", 1, event, "test", uuid);
  space.run();
  await eventually(async () => (await lag()) === 0);
  expect(door.received).toHaveLength(501);
  const id = derivedId("evt", [tenantId, "test", "m9", uuid.toLowerCase(), "1"]);
  const spelled = door.received.find((message) => message.event_id === id);
  expect(spelled).toMatchObject({
    event: "payment_exhaust.received",
    tenant_id: tenantId,
    mode: "test",
    sequence: 1,
    data: { payment_exhaust: { event_id: uuid, merchant_id_hash: "m9" } },
  });
  expect(String(spelled?.data.stream_id)).toEndWith(`:${streamId}`);
  expect(door.ids().size).toBe(501);
});

test("an id that is used again once it is forgotten stands for another event, which is told too", async () => {
  const tenantId = newTenant();
  const event = (type: string) =>
    JSON.stringify({ event_type: type, event_id: "order-1", merchant_id_hash: "m" });
  await space.appendText(tenantId, "m", 1, event("payment_failed"), "live", "order-1");
  await space.appendText(tenantId, "m", 2, event("payment_succeeded"), "live", "order-1");
  space.run();
  await eventually(async () => (await lag()) === 0);
  expect(door.ids().size).toBe(2);
});

test("events that nobody wants are not sent at all", async () => {
  const [wanted, unwanted] = [newTenant(), newTenant()];
  door.state.wanted = (tenantId) => tenantId === wanted;
  await space.append(unwanted, 200);
  await space.append(wanted, 2);
  space.run();
  await eventually(async () => (await lag()) === 0);
  expect(new Set(door.received.map((message) => message.tenant_id))).toEqual(new Set([wanted]));
  expect(door.received).toHaveLength(10);
});

test("while notifier is away events wait without limit, and no try of theirs is counted", async () => {
  door.state.isAway = true;
  space.run();
  await space.append(newTenant(), 20);
  await eventually(async () => (await space.read("hooks")).trouble !== null);
  // Many more calls than an event has tries.
  await eventually(() => door.state.calls > 20, { timeoutMs: 20_000 });
  expect(await lag()).toBe(100);
  expect(await dead()).toEqual([]);
  door.state.isAway = false;
  await eventually(async () => (await lag()) === 0);
  expect(door.ids().size).toBe(100);
  expect(await dead()).toEqual([]);
  await eventually(async () => (await space.read("hooks")).trouble === null);
}, 60_000);

test("a poison event is tried five times, becomes a dead letter, and goes out once it is redriven", async () => {
  const tenantId = newTenant();
  door.state.refused.add("m1-3");
  await space.append(tenantId, 6);
  space.run();
  const [letter] = await eventually(
    async () => {
      const letters = await dead();
      return letters.length > 0 && letters;
    },
    { timeoutMs: 20_000 },
  );
  expect(letter).toMatchObject({
    group: "exporter-hooks",
    tries: "5",
    tenant: tenantId,
    merchant: "m1",
    sequence: "3",
    reason: expect.stringContaining("refused by the test"),
  });
  const [first, last] = [letter?.first_failed_at, letter?.last_failed_at].map((time) =>
    Date.parse(time ?? ""),
  );
  expect((last ?? 0) - (first ?? 0)).toBeLessThan(10_000);
  await eventually(async () => (await lag()) === 0);
  expect(door.ids().size).toBe(29);
  // Its merchant's later events came after it was given up, in order.
  const sequences = door.received
    .filter(
      (message) => (message.data.payment_exhaust as { merchant_id_hash: string }).merchant_id_hash === "m1",
    )
    .map((message) => message.sequence);
  expect([...new Set(sequences)]).toEqual([1, 2, 4, 5, 6]);
  door.state.refused.clear();
  await space.redrive();
  await eventually(() => door.ids().size === 30);
  expect(await dead()).toEqual([]);
}, 60_000);
