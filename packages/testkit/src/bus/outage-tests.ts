import { expect } from "bun:test";
import { isTransient } from "@payflow/service-kit/store/database.ts";
import { eventually } from "../eventually.ts";
import { testEvent, testKeys } from "./events.ts";
import { skippedEvents } from "./order.ts";
import { type BusTest, record } from "./space.ts";

const awayMs = process.env.PAYFLOW_THOROUGH === "1" ? 10_000 : 3_000;

/** What happens while the broker is away. */
export function outageTests(test: BusTest): void {
  test("with the broker away publishing fails with an error that passes, and all goes on after it without a restart", async (space) => {
    const bus = await space.open();
    const [key = ""] = testKeys(1);
    const { events } = await record(bus, "ledger", ["payment.settled"]);
    const replicas = space.replicas({ group: "fraud", topics: ["payment.settled"] });
    await replicas.start();
    const errors: unknown[] = [];
    let sent = 0;
    const publishUntil = async (end: () => boolean) => {
      while (!end()) {
        try {
          await bus.publish("payment.settled", [testEvent("payment.settled", key, sent + 1)]);
          sent += 1;
        } catch (error) {
          errors.push(error);
        }
        await Bun.sleep(5);
      }
    };
    await publishUntil(() => sent >= 50);
    await space.harness.stopBroker();
    const awayUntil = performance.now() + awayMs;
    await publishUntil(() => performance.now() >= awayUntil);
    await space.harness.startBroker();
    const before = sent;
    await publishUntil(() => sent >= before + 50);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.filter((error) => !isTransient(error))).toEqual([]);
    const arrived = (list: readonly { sequence: number | null }[]) =>
      new Set(list.map((event) => event.sequence)).size;
    await eventually(() => arrived(events) >= sent, { timeoutMs: 20_000 });
    await eventually(() => arrived(replicas.handled) >= sent, { timeoutMs: 20_000 });
    expect(skippedEvents(events)).toEqual([]);
    expect(skippedEvents(replicas.handled)).toEqual([]);
    expect((await bus.deadLetters.list({ group: "ledger", limit: 1 })).letters).toEqual([]);
  });

  test("a service starts while the broker is away, and works once it is back", async (space) => {
    await space.harness.stopBroker();
    const bus = await space.open(false);
    const { events, subscription } = await record(bus, "ledger", ["payment.settled"]);
    const [key = ""] = testKeys(1);
    await expect(bus.publish("payment.settled", [testEvent("payment.settled", key, 1)])).rejects.toThrow(
      "unavailable",
    );
    await space.harness.startBroker();
    await eventually(() => bus.publish("payment.settled", [testEvent("payment.settled", key, 1)]));
    await eventually(() => events.length > 0);
    await subscription.stop();
  });
}
