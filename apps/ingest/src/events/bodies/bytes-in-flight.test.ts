import { expect, test } from "bun:test";
import { BytesInFlight } from "./bytes-in-flight.ts";

test("bodies hold what they took until they are answered, and no more than there is", () => {
  const inFlight = new BytesInFlight(100);
  const first = inFlight.hold("ten_1");
  const second = inFlight.hold("ten_2");
  first.take(30);
  first.take(20);
  second.take(45);
  expect([inFlight.bytes, first.bytes, second.bytes]).toEqual([95, 50, 45]);
  const third = inFlight.hold("ten_3");
  expect(() => third.take(6)).toThrow("unavailable");
  third.take(5);
  third.release();
  third.release();
  first.release();
  expect([inFlight.bytes, first.bytes]).toEqual([45, 0]);
  second.release();
  expect(inFlight.bytes).toBe(0);
});

test("one tenant's bodies take half of the room at most, so that the others find some", () => {
  const inFlight = new BytesInFlight(100);
  const holds = Array.from({ length: 3 }, () => inFlight.hold("ten_1"));
  holds[0]?.take(25);
  holds[1]?.take(25);
  expect(() => holds[2]?.take(1)).toThrow("unavailable");
  inFlight.hold("ten_2").take(50);
  holds[0]?.release();
  holds[2]?.take(25);
  expect(inFlight.bytes).toBe(100);
});
