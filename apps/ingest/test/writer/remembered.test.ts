import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { startForgetting } from "../../src/writer/remembered/forgetting.ts";
import { RememberedStore } from "../../src/writer/remembered/remembered.store.ts";
import { countKinds, event, faultsOf, WriterSpace } from "./writer-fixture.ts";

let pair: TestRedisPair;
const spaces: WriterSpace[] = [];

beforeAll(async () => {
  pair = await testRedis();
});
afterEach(async () => {
  for (const space of spaces.splice(0)) await space.end();
});
afterAll(() => pair.close());

function open(partitions = 1): WriterSpace {
  const space = new WriterSpace(pair.durable.url, partitions);
  spaces.push(space);
  return space;
}

/** The tables of a partition's remembered ids: slice, number, buckets. */
async function tables(space: WriterSpace): Promise<[slice: number, number: number, buckets: number][]> {
  const unpack = "return cjson.encode(cmsgpack.unpack(redis.call('GET', KEYS[1])))";
  return JSON.parse(String(await space.redis.eval(unpack, 1, space.keys.seen(0))));
}

async function bucketKeys(space: WriterSpace): Promise<number> {
  return (await space.redis.keys(`${space.keys.seen(0)}:*`)).length;
}

test("ids are remembered over three ends of slices, and forgotten after a fourth", async () => {
  const space = open();
  const sliceMs = 400;
  const { writer } = await space.open({ sliceMs });
  const first = event({ id: "first" });
  await writer.appendOne(first);
  const [[begin] = [0]] = await tables(space);
  const sliceNow = async () => {
    const [seconds, microseconds] = await space.redis.time();
    return Math.floor((Number(seconds) * 1_000 + Number(microseconds) / 1_000) / sliceMs);
  };
  for (const distance of [1, 2, 3]) {
    await eventually(async () => (await sliceNow()) >= begin + distance);
    const result = await writer.appendOne(first);
    // On a machine that stood still for a moment the slice may be over by now.
    if ((await sliceNow()) <= begin + 3) expect(result).toEqual({ kind: "duplicate" });
  }
  await eventually(async () => (await sliceNow()) >= begin + 4);
  expect((await writer.appendOne(first)).kind).toBe("stored");
});

test("an id of the slice before is found again wherever tables have grown since", async () => {
  const space = open();
  const sliceMs = 8 * 3_600_000;
  const { writer } = await space.open({ sliceMs });
  // A small first table, so that there are several soon.
  const small = `redis.call('SET', KEYS[1], cmsgpack.pack({ { ${Math.floor(Date.now() / sliceMs)}, 0, 256 } }))`;
  await space.redis.eval(small, 1, space.keys.seen(0));
  const events = Array.from({ length: 200_000 }, (_, index) => event({ merchant: `merchant-${index % 50}` }));
  for (let at = 0; at < events.length; at += 10_000) await writer.append(events.slice(at, at + 10_000));
  const grown = await tables(space);
  expect(grown.map(([, number]) => number)).toEqual([0, 1, 2]);
  expect(grown.map(([, , buckets]) => buckets)).toEqual([256, 512, 1024]);
  expect(countKinds(await writer.append(events))).toEqual({ duplicate: 200_000 });
  // With slices a little shorter the present one has the next number.
  const now = Date.now();
  const later = await space.open({ sliceMs: Math.floor(now / (Math.floor(now / sliceMs) + 1.5)) });
  expect(countKinds(await later.writer.append(events.slice(0, 5_000)))).toEqual({ duplicate: 5_000 });
  const others = events.slice(0, 100).map((one) => ({ ...one, bodyHash: one.bodyHash ^ 1 }));
  expect(countKinds(await later.writer.append(others))).toEqual({ conflict: 100 });
  const next = (await tables(space)).at(-1);
  // The new slice begins with about the buckets that 200,000 ids need: fewer, the later the table grew, since
  // only one call in eight looks how full it is.
  expect(next?.[2]).toBeGreaterThan(1_100);
  expect(next?.[2]).toBeLessThan(1_900);
  expect(faultsOf(await space.entries())).toEqual([]);
});

test("a clock that goes back opens no older slice, and ids stay remembered", async () => {
  const space = open();
  const ahead = await space.open({ sliceMs: 100_000 });
  const first = event({ id: "first" });
  await ahead.writer.appendOne(first);
  // With longer slices the same moment has a lower number.
  const back = await space.open({ sliceMs: 200_000 });
  expect(await back.writer.appendOne(first)).toEqual({ kind: "duplicate" });
  const second = event({ id: "second" });
  await back.writer.appendOne(second);
  expect(await tables(space)).toHaveLength(1);
  expect(await ahead.writer.appendOne(second)).toEqual({ kind: "duplicate" });
});

test("what is remembered no longer leaves Redis in bounded steps, and what is remembered stays", async () => {
  const space = open();
  const sliceMs = 500;
  const { writer, redis } = await space.open({ sliceMs });
  const remembered = new RememberedStore(redis, space.keys, sliceMs);
  await writer.append(Array.from({ length: 20_000 }, (_, index) => event({ merchant: `m-${index % 9}` })));
  expect(await bucketKeys(space)).toBeGreaterThan(250);
  expect(await remembered.forget(0)).toBe(0);
  expect(await bucketKeys(space)).toBeGreaterThan(250);
  const forgetting = startForgetting({
    ...{ redis, keys: space.keys, partitions: 1, sliceMs, logger: space.logger },
    everyMs: 20,
  });
  try {
    const kept = event();
    await eventually(async () => {
      await writer.appendOne(kept);
      return (await bucketKeys(space)) <= 5;
    });
    await eventually(async () => {
      const left = (await tables(space)).every(([, , buckets]) => buckets <= 1_024);
      return left && (await tables(space)).length <= 5;
    });
    await eventually(async () => (await space.redis.exists(space.keys.seen(0))) === 0);
    expect(await bucketKeys(space)).toBe(0);
  } finally {
    await forgetting.stop();
  }
});

test("a step removes no more buckets than one script may, and two replicas may take steps together", async () => {
  const space = open();
  const sliceMs = 300;
  const { writer, redis } = await space.open({ sliceMs: 3_600_000 });
  await writer.append(Array.from({ length: 20_000 }, (_, index) => event({ merchant: `m-${index % 9}` })));
  const before = await bucketKeys(space);
  expect(before).toBe(1_024);
  // Slices of another length make the one above an old one.
  const steps = [1, 2].map(() => new RememberedStore(redis, space.keys, 4 * 3_600_000 * 1_000));
  const stale = new RememberedStore(redis, space.keys, sliceMs);
  expect(await Promise.all(steps.map((one) => one.forget(0)))).toEqual([0, 0]);
  const left = await Promise.all([stale.forget(0), stale.forget(0)]);
  expect(left).toEqual([1_024 - 500, 1_024 - 1_000]);
  expect(await stale.forget(0)).toBe(0);
  expect(await bucketKeys(space)).toBe(0);
  expect(await space.redis.exists(space.keys.seen(0))).toBe(0);
});
