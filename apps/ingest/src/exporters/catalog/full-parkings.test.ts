import { expect, test } from "bun:test";
import { fullParkings } from "./full-parkings.ts";

const parked = (tenantId: string, bytes: number) => ({ tenantId, events: 1, bytes });

test("a tenant's parking is full at its share of the memory, over all its exporters", () => {
  expect(fullParkings([parked("a", 49), parked("b", 50)], 1_000)).toEqual(["b"]);
  expect(fullParkings([parked("a", 25), parked("a", 25), parked("b", 49)], 1_000)).toEqual(["a"]);
});

test("all of them are full once together they have theirs, however little each has", () => {
  const many = Array.from({ length: 10 }, (_, index) => parked(`t${index}`, 20));
  expect(fullParkings(many.slice(1), 1_000)).toEqual([]);
  expect(fullParkings(many, 1_000)).toHaveLength(10);
});
