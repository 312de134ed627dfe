import { expect, test } from "bun:test";
import { testEvents, testKeys } from "./events.ts";
import { shuffleAcrossTopics, skippedEvents } from "./order.ts";

/** Numbers between 0 and 1 that are the same for the same seed (Park and Miller's generator). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

test("an order is kept as long as nothing arrives before what precedes it, repeats included", () => {
  const arrivals = (...sequences: number[]) => sequences.map((sequence) => ({ key: "a", sequence }));
  expect(skippedEvents(arrivals(1, 2, 3))).toEqual([]);
  expect(skippedEvents(arrivals(1, 2, 1, 2, 3))).toEqual([]);
  expect(skippedEvents(arrivals(1, 3, 2))).toEqual(["a: 3 arrived after 1"]);
  expect(skippedEvents([...arrivals(1), { key: "b", sequence: 2 }])).toHaveLength(1);
});

test("shuffling across topics keeps each topic's order per key and mixes the rest", () => {
  const keys = testKeys(5);
  const created = testEvents("payment.created", keys, 4);
  const settled = testEvents("payment.settled", keys, 4);
  const orders = [1, 2, 3].map((seed) => shuffleAcrossTopics([...created, ...settled], seeded(seed)));
  for (const order of orders) {
    expect(order).toHaveLength(40);
    for (const topic of ["payment.created", "payment.settled"]) {
      expect(skippedEvents(order.filter((event) => event.type === topic))).toEqual([]);
    }
    expect(order.map((event) => event.type)).not.toEqual([...created, ...settled].map((event) => event.type));
  }
  expect(new Set(orders.map((order) => order.map((event) => event.event_id).join())).size).toBe(3);
});
