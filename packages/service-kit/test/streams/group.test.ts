import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { skippedEvents } from "@payflow/testkit/bus/order.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { numbered, StreamSpace, testMerchants } from "./streams-fixture.ts";

setDefaultTimeout(60_000);

let servers: TestRedisPair;
let space: StreamSpace;

beforeAll(async () => {
  servers = await testRedis();
});
afterAll(() => servers.close());
beforeEach(async () => {
  space = await StreamSpace.open(servers.durable.url);
});
afterEach(() => space.end());

test("entries arrive once, in order per merchant, those before the group too", async () => {
  const merchants = testMerchants(20);
  await space.appendRounds(merchants, 10);
  const { entries } = await space.record();
  await space.appendRounds(merchants, 10, 11);
  await eventually(() => entries.length >= 400);
  await eventually(async () => (await space.unacknowledged()) === 0);
  expect(entries).toHaveLength(400);
  expect(skippedEvents(numbered(entries))).toEqual([]);
});
