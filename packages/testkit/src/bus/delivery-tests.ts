import { expect } from "bun:test";
import { unavailable } from "@payflow/contracts/errors.ts";
import { eventually } from "../eventually.ts";
import { testEvent, testEvents, testKeys } from "./events.ts";
import { skippedEvents } from "./order.ts";
import { type BusTest, record } from "./space.ts";

/** What arrives, and in which order, while nothing fails. */
export function deliveryTests(test: BusTest): void {
  test("events arrive unchanged, all of them, in order per key", async (space) => {
    const bus = await space.open();
    const events = testEvents("payment.settled", testKeys(40), 25);
    const { events: arrived, batches } = await record(bus, "ledger", ["payment.settled"]);
    for (let at = 0; at < events.length; at += 50) {
      await bus.publish("payment.settled", events.slice(at, at + 50));
    }
    await eventually(() => arrived.length >= events.length);
    expect(skippedEvents(arrived)).toEqual([]);
    const byId = new Map(arrived.map((event) => [event.event_id, event]));
    for (const event of events) expect(byId.get(event.event_id)).toEqual(event);
    expect(Math.max(...batches.map((batch) => batch.events.length))).toBeLessThanOrEqual(100);
  });

  test("a group gets the events published before its first replica started", async (space) => {
    const bus = await space.open();
    const events = testEvents("payment.settled", testKeys(5), 4);
    await bus.publish("payment.settled", events);
    const { events: arrived } = await record(bus, "ledger", ["payment.settled"]);
    await eventually(() => arrived.length >= events.length);
    expect(skippedEvents(arrived)).toEqual([]);
  });

  test("every group gets every event", async (space) => {
    const bus = await space.open();
    const ledger = await record(bus, "ledger", ["payment.settled"]);
    const fraud = await record(bus, "fraud", ["payment.settled"]);
    const events = testEvents("payment.settled", testKeys(10), 3);
    await bus.publish("payment.settled", events);
    await eventually(() => ledger.events.length >= 30 && fraud.events.length >= 30);
    const ids = events.map((event) => event.event_id).sort();
    for (const group of [ledger, fraud]) {
      expect([...new Set(group.events.map((event) => event.event_id))].sort()).toEqual(ids);
    }
  });

  test("a topic does not wait for another: the settlement arrives while the creation is held up", async (space) => {
    const bus = await space.open();
    const [key = ""] = testKeys(1);
    const settled = Promise.withResolvers<void>();
    const order: string[] = [];
    await bus.subscribe({
      group: "fraud",
      topics: ["payment.created", "payment.settled"],
      maxBatch: 10,
      async handle(topic) {
        if (topic === "payment.settled") settled.resolve();
        else await settled.promise;
        order.push(topic);
      },
    });
    await bus.publish("payment.created", [testEvent("payment.created", key, 1)]);
    await bus.publish("payment.settled", [testEvent("payment.settled", key, 2)]);
    await eventually(() => order.length === 2);
    expect(order).toEqual(["payment.settled", "payment.created"]);
  });

  test("a batch holds events of one topic, and at most as many as asked for", async (space) => {
    const bus = await space.open();
    const keys = testKeys(30);
    await bus.publish("payment.settled", testEvents("payment.settled", keys, 4));
    await bus.publish("refund.settled", testEvents("refund.settled", keys, 4));
    const batches: { topic: string; types: string[] }[] = [];
    await bus.subscribe({
      group: "ledger",
      topics: ["payment.settled", "refund.settled"],
      maxBatch: 16,
      handle: async (topic, events) => void batches.push({ topic, types: events.map((event) => event.type) }),
    });
    await eventually(() => batches.reduce((sum, batch) => sum + batch.types.length, 0) >= 240);
    for (const batch of batches) {
      expect(new Set(batch.types)).toEqual(new Set([batch.topic]));
      expect(batch.types.length).toBeLessThanOrEqual(16);
    }
  });

  test("lag counts what is not acknowledged, in events and in seconds, and returns to nothing", async (space) => {
    const bus = await space.open();
    expect(await bus.lag("ledger")).toMatchObject({ group: "ledger", events: 0, seconds: 0 });
    await bus.publish("payment.settled", testEvents("payment.settled", testKeys(10), 3));
    const behind = await eventually(async () => {
      const lag = await bus.lag("ledger");
      return lag.seconds > 0.2 && lag;
    });
    expect(behind.events).toBe(30);
    expect(behind.topics.find((lag) => lag.topic === "payment.settled")).toMatchObject({ events: 30 });
    expect(behind.topics.find((lag) => lag.topic === "refund.settled")).toMatchObject({
      events: 0,
      seconds: 0,
    });
    let isHeld = true;
    const { events } = await record(bus, "ledger", ["payment.settled"], async () => {
      if (isHeld) throw unavailable("The test");
    });
    // Being delivered is not being handled.
    await eventually(async () => (await bus.lag("ledger")).events === 30);
    isHeld = false;
    await eventually(() => events.length >= 30);
    await eventually(async () => {
      const lag = await bus.lag("ledger");
      return lag.events === 0 && lag.seconds === 0;
    });
  });

  test("a malformed event, or one of another topic, is refused before it is sent", async (space) => {
    const bus = await space.open();
    const good = testEvent("payment.settled", "pay_1", 1);
    // Each is wrong on purpose, which the types would not allow.
    const wrong = { ...good, data: { ...good.data, amount: "500" } } as unknown as typeof good;
    await expect(bus.publish("payment.settled", [good, wrong])).rejects.toThrow("/data/amount");
    await expect(bus.publish("refund.settled", [good])).rejects.toThrow("refund.settled");
    await expect(
      bus.subscribe({ group: "ledger", topics: ["fraud.flagged"], maxBatch: 1, handle: async () => {} }),
    ).rejects.toThrow("fraud.flagged");
    expect((await bus.lag("ledger")).events).toBe(0);
  });
}
