import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { Redis } from "ioredis";
import { expectWhole, insist, manyBodies, reasonOf } from "./under-load.ts";
import { countKinds, event, faultsOf, WriterSpace } from "./writer-fixture.ts";

let pair: TestRedisPair;
let admin: Redis;
const spaces: WriterSpace[] = [];

beforeAll(async () => {
  pair = await testRedis();
  admin = new Redis(pair.durable.url);
  admin.on("error", () => {});
});
afterEach(async () => {
  for (const space of spaces.splice(0)) await space.end();
});
afterAll(async () => {
  admin.disconnect();
  await pair.close();
});

function open(): WriterSpace {
  const space = new WriterSpace(pair.durable.url);
  spaces.push(space);
  return space;
}

test("a full Redis refuses, remembers nothing of it, and stores the repeat once there is room", async () => {
  const space = open();
  const { writer } = await space.open();
  await writer.append([event({ merchant: "known" })]);
  const events = [event({ merchant: "known" }), event({ merchant: "new" })];
  await admin.config("SET", "maxmemory", 1);
  expect(await reasonOf(writer.append(events))).toBe("unavailable");
  expect(await reasonOf(writer.append([event({ merchant: "known" })]))).toBe("unavailable");
  await admin.config("SET", "maxmemory", "256mb");
  expect(countKinds(await writer.append(events))).toEqual({ stored: 2 });
  const stored = await space.entries();
  expect(stored).toHaveLength(3);
  expect(faultsOf(stored)).toEqual([]);
});

test("connections killed in the middle of flushes lose no acknowledged event and double none", async () => {
  const space = open();
  const { writer } = await space.open();
  const bodies = manyBodies(3_000, 20);
  const killing = (async () => {
    for (let round = 0; round < 20; round += 1) {
      await Bun.sleep(60 + 80 * Math.random());
      await admin.client("KILL", "TYPE", "normal", "SKIPME", "yes");
    }
  })();
  const [{ refusals }] = await Promise.all([insist(writer, bodies), killing]);
  expect(refusals).toBeGreaterThan(0);
  await eventually(() => expectWhole(space, bodies));
});

test("a Redis killed under load and started again has every acknowledged event, once", async () => {
  const space = open();
  const { writer } = await space.open();
  const bodies = manyBodies(400, 25);
  const restarting = (async () => {
    for (let round = 0; round < 3; round += 1) {
      await Bun.sleep(60);
      await pair.durable.stop("SIGKILL");
      await pair.durable.start();
    }
  })();
  const [{ refusals }] = await Promise.all([insist(writer, bodies), restarting]);
  expect(refusals).toBeGreaterThan(0);
  await eventually(() => expectWhole(space, bodies));
});

test("an event whose append fails is not remembered, and its neighbours keep gap-free numbers", async () => {
  const space = open();
  await admin.acl("SETUSER", "limited", "on", ">payflow_limited", "~*", "&*", "+@all");
  const url = new URL(pair.durable.url);
  url.username = "limited";
  url.password = "payflow_limited";
  const { writer } = await space.open({ urls: url.href });
  await writer.append([event({ id: "e-1" })]);
  await admin.acl("SETUSER", "limited", "-xadd");
  expect(await reasonOf(writer.append([event({ id: "e-2" }), event({ id: "e-3" })]))).toBe("unavailable");
  await admin.acl("SETUSER", "limited", "+xadd");
  expect(countKinds(await writer.append([event({ id: "e-2" }), event({ id: "e-3" })]))).toEqual({
    stored: 2,
  });
  expect(faultsOf(await space.entries())).toEqual([]);
});

test("a partition that cannot be written leaves the others alone", async () => {
  const space = open();
  const { writer } = await space.open();
  const merchants = Array.from({ length: 40 }, (_, index) => `merchant-${index}`);
  const results = await writer.append(merchants.map((merchant) => event({ merchant })));
  const broken = results[0]?.kind === "stored" ? Number(results[0].streamId.split(":")[0]) : -1;
  await space.redis.rename(space.keys.events(broken), `${space.keys.events(broken)}:away`);
  await space.redis.set(space.keys.events(broken), "no stream");
  const events = merchants.map((merchant) => event({ merchant }));
  const outcomes = await Promise.all(events.map((one) => reasonOf(writer.appendOne(one))));
  const refused = events.filter((_, index) => outcomes[index] === "unavailable");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(events.length);
  await space.redis.rename(`${space.keys.events(broken)}:away`, space.keys.events(broken));
  expect(countKinds(await writer.append(refused))).toEqual({ stored: refused.length });
  expect(faultsOf(await space.entries())).toEqual([]);
});

test("more events than may wait are refused at once, and those taken before are stored", async () => {
  const space = open();
  const { writer } = await space.open();
  await admin.client("PAUSE", 1_500, "WRITE");
  const bodies = manyBodies(50, 1_000);
  const taken = bodies.map((body) => writer.append(body));
  expect(await reasonOf(writer.appendOne(event()))).toBe("unavailable");
  const results = (await Promise.all(taken)).flat();
  expect(countKinds(results)).toEqual({ stored: 50_000 });
  expect((await writer.appendOne(event())).kind).toBe("stored");
});

test("closing waits for what was taken", async () => {
  const space = open();
  const { writer } = await space.open();
  let isAnswered = false;
  const answered = writer.append(manyBodies(1, 3_000).flat()).then(() => {
    isAnswered = true;
  });
  await writer.close();
  expect(isAnswered).toBe(true);
  await answered;
});

test("after the scripts were flushed the writer makes them known again", async () => {
  const space = open();
  const { writer } = await space.open();
  await writer.appendOne(event());
  await admin.script("FLUSH");
  const { acknowledged } = await insist(writer, [[event({ id: "after" })]]);
  expect(acknowledged).toHaveLength(1);
});
