import { afterAll, beforeAll, expect, test } from "bun:test";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { event, type OpenWriter, WriterSpace } from "./writer-fixture.ts";

let pair: TestRedisPair;
let space: WriterSpace;
let open: OpenWriter;

beforeAll(async () => {
  pair = await testRedis();
  space = new WriterSpace(pair.durable.url);
  open = await space.open();
  // Its merchant is known from here on: a new one's events go out twice.
  await open.writer.appendOne(event());
});
afterAll(async () => {
  await space?.end();
  await pair?.close();
});

/** So many callers at the same moment; all of them are stored. */
function callers(count: number): Promise<unknown> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      expect((await open.writer.appendOne(event())).kind).toBe("stored");
    }),
  );
}

/** How many calls of the script the work took. */
async function flushesOf(work: () => Promise<unknown>): Promise<number> {
  const count = async () => {
    const text = await open.metrics.text();
    return Number(/^payflow_ingest_flush_events_count\S* (\d+)$/m.exec(text)?.[1]);
  };
  const before = await count();
  await work();
  return (await count()) - before;
}

test("few callers at once share one flush, and many go out in halves", async () => {
  expect(await flushesOf(() => callers(20))).toBe(1);
  expect(await flushesOf(() => callers(32))).toBe(1);
  expect(await flushesOf(() => callers(64))).toBe(2);
  expect(await flushesOf(() => callers(200))).toBe(2);
});

test("a rest too small for a flush of its own goes along with the half before it", async () => {
  const flushes = await flushesOf(async () => {
    const first = callers(24);
    await new Promise(setImmediate);
    // The first have been sent; half of all is 32 now.
    await Promise.all([first, callers(40)]);
  });
  expect(flushes).toBe(2);
});
