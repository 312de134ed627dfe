import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Workplace } from "../setup/workplace.ts";
import { leaderOf, makeFamily, settled } from "./fleet.ts";

setDefaultTimeout(300_000);

/** What the guide promises until another goes on. */
const takeOverMs = 20_000;

let place: Workplace;

beforeAll(async () => {
  place = await Workplace.make();
}, 300_000);

// One that a failed test has left would lead in the next.
afterEach(async () => {
  await Promise.all(place.operators.map((one) => (one.isRunning() ? one.stop() : undefined)));
});

afterAll(() => place?.close());

test.each([2, 3])("of %d replicas one leads; when it is killed another goes on in time", async (replicas) => {
  const operators = await Promise.all(Array.from({ length: replicas }, () => place.startOperator()));
  const leader = await leaderOf(operators);
  await settled(place, [await makeFamily(place)]);
  const leading = await Promise.all(operators.map((one) => one.isLeading()));
  expect(leading.filter(Boolean)).toHaveLength(1);
  await leader.kill();
  const late = await makeFamily(place);
  await settled(place, [late], takeOverMs);
  const others = operators.filter((one) => one !== leader);
  expect(others).toContain(await leaderOf(others));
  await Promise.all(others.map((one) => one.stop()));
});

test("a leader that is asked to end hands over at once, and ends well", async () => {
  const operators = [await place.startOperator(), await place.startOperator()];
  const leader = await leaderOf(operators);
  expect(await leader.stop()).toBe(0);
  await settled(place, [await makeFamily(place)], 8_000);
  await Promise.all(operators.map((one) => (one.isRunning() ? one.stop() : undefined)));
});
