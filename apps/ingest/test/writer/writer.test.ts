import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { merchantKey } from "@payflow/service-kit/streams/keys.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { type TestRedisCluster, testRedisCluster } from "@payflow/testkit/redis-cluster.ts";
import { countKinds, event, faultsOf, otherTenant, testTenant, WriterSpace } from "./writer-fixture.ts";

let pair: TestRedisPair;
let cluster: TestRedisCluster;
const spaces: WriterSpace[] = [];

beforeAll(async () => {
  [pair, cluster] = await Promise.all([testRedis(), testRedisCluster()]);
});
afterEach(async () => {
  for (const space of spaces.splice(0)) await space.end();
});
afterAll(() => Promise.all([pair.close(), cluster.close()]));

const places = [
  ["one server", () => pair.durable.url],
  ["a cluster", () => cluster.urls],
] as const;

describe.each(places)("on %s", (_name, urls) => {
  function open(): WriterSpace {
    const space = new WriterSpace(urls());
    spaces.push(space);
    return space;
  }

  test("a body's events are stored in order, each merchant's with sequence numbers from 1", async () => {
    const space = open();
    const { writer } = await space.open();
    const events = Array.from({ length: 2_000 }, (_, index) =>
      event({ merchant: index % 2 === 0 ? "busy" : `merchant-${index % 7}`, id: `e-${index}` }),
    );
    const results = await writer.append(events);
    expect(countKinds(results)).toEqual({ stored: 2_000 });
    const stored = await space.entries();
    expect(faultsOf(stored)).toEqual([]);
    for (const merchant of new Set(events.map((one) => one.merchant))) {
      const inOrder = stored.filter((one) => one.merchant === merchant).map((one) => one.eventId);
      expect(inOrder).toEqual(events.filter((one) => one.merchant === merchant).map((one) => one.eventId));
    }
  });

  test("a result names the entry: partition, entry id and sequence number", async () => {
    const space = open();
    const { writer } = await space.open();
    const events = Array.from({ length: 20 }, (_, index) => event({ merchant: `merchant-${index % 3}` }));
    const results = await writer.append(events);
    const stored = new Map((await space.entries()).map((one) => [`${one.partition}:${one.id}`, one]));
    for (const [index, result] of results.entries()) {
      if (result.kind !== "stored") throw new Error(`${result.kind} instead of stored`);
      expect(stored.get(result.streamId)).toMatchObject({
        tenantId: testTenant,
        mode: "live",
        merchant: events[index]?.merchant,
        eventId: events[index]?.eventId,
        event: events[index]?.json,
        sequence: result.sequence,
      });
    }
  });

  test("an id that comes again is a duplicate, with another body a conflict, and neither is stored", async () => {
    const space = open();
    const { writer } = await space.open();
    const first = event({ id: "e-1" });
    const other = event({ id: "e-1", body: "something else" });
    const results = await writer.append([first, first, other, event({ id: "e-2" })]);
    expect(results.map((one) => one.kind)).toEqual(["stored", "duplicate", "conflict", "stored"]);
    expect(await writer.appendOne(first)).toEqual({ kind: "duplicate" });
    expect(await writer.appendOne(other)).toEqual({ kind: "conflict" });
    expect((await space.entries()).map((one) => one.eventId)).toEqual(["e-1", "e-2"]);
  });

  test("the same id of another tenant, mode or merchant is another event", async () => {
    const space = open();
    const { writer } = await space.open();
    const results = await writer.append([
      event({ id: "same" }),
      event({ id: "same", tenantId: otherTenant }),
      event({ id: "same", mode: "test" }),
      event({ id: "same", merchant: "merchant-2" }),
    ]);
    expect(results.map((one) => (one.kind === "stored" ? one.sequence : one.kind))).toEqual([1, 1, 1, 1]);
    expect(faultsOf(await space.entries())).toEqual([]);
  });

  test("two replicas that get the same events store each once, and no sequence has a gap", async () => {
    const space = open();
    const replicas = await Promise.all([space.open(), space.open()]);
    const events = Array.from({ length: 600 }, (_, index) =>
      event({ merchant: `merchant-${index % 11}`, id: `e-${index}` }),
    );
    const sent = replicas.flatMap(({ writer }) => [
      ...events.map((one) => writer.appendOne(one)),
      ...[0, 200, 400].map((from) => writer.append(events.slice(from, from + 200))),
    ]);
    const results = (await Promise.all(sent)).flat();
    expect(countKinds(results)).toEqual({ stored: 600, duplicate: 1_800 });
    expect(faultsOf(await space.entries())).toEqual([]);
    const late = await space.open();
    expect(countKinds(await late.writer.append(events))).toEqual({ duplicate: 600 });
  });

  test("exactly as many merchants as a tenant may have get in, however many replicas ask at once", async () => {
    const space = open();
    const replicas = await Promise.all([space.open({ maxMerchants: 50 }), space.open({ maxMerchants: 50 })]);
    const names = Array.from({ length: 80 }, (_, index) => `merchant-${index}`);
    const sent = names.flatMap((merchant) =>
      replicas.map(({ writer }) => writer.append([event({ merchant }), event({ merchant })])),
    );
    const results = (await Promise.all(sent)).flat();
    expect(countKinds(results)).toEqual({ stored: 200, too_many_merchants: 120 });
    const stored = await space.entries();
    expect(new Set(stored.map((one) => one.merchant)).size).toBe(50);
    expect(faultsOf(stored)).toEqual([]);

    const [{ writer } = await space.open()] = replicas;
    const [known = ""] = stored.map((one) => one.merchant);
    const full = names.find((name) => stored.every((one) => one.merchant !== name)) ?? "";
    expect((await writer.appendOne(event({ merchant: known }))).kind).toBe("stored");
    expect((await writer.appendOne(event({ merchant: known, mode: "test" }))).kind).toBe("stored");
    expect((await writer.appendOne(event({ merchant: full, tenantId: otherTenant }))).kind).toBe("stored");
    const own = event({ merchant: full });
    expect(await writer.appendOne(own)).toEqual({ kind: "too_many_merchants" });
    // What was refused is not remembered, and the platform's own events are not counted.
    expect((await writer.appendOne(own, { isPlatform: true })).kind).toBe("stored");
  });

  test("events of merchants beyond the number spoil nothing else in their body", async () => {
    const space = open();
    const { writer } = await space.open({ maxMerchants: 2 });
    await writer.append([event({ merchant: "a" }), event({ merchant: "b" })]);
    const results = await writer.append(["c", "a", "c", "b"].map((merchant) => event({ merchant })));
    const kinds = results.map((one) => String(one.kind));
    expect(kinds).toEqual(["too_many_merchants", "stored", "too_many_merchants", "stored"]);
    expect(faultsOf(await space.entries())).toEqual([]);
  });

  test("usage counts what was stored in this month, by tenant and mode", async () => {
    const space = open();
    const { writer } = await space.open();
    const own = Array.from({ length: 30 }, (_, index) => event({ merchant: `merchant-${index}` }));
    await writer.append([...own, ...own, event({ mode: "test" }), event({ tenantId: otherTenant })]);
    await writer.append([event({ merchant: "the platform's" }), event()], { isPlatform: true });
    const month = new Date().toISOString().slice(0, 7);
    const sums: Record<string, number> = {};
    for (let partition = 0; partition < space.partitions; partition += 1) {
      const counts = await space.redis.hgetall(space.keys.usage(partition, month));
      for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + Number(count);
    }
    expect(sums).toEqual({
      [`${testTenant}/live`]: 32,
      [`${testTenant}/live/platform`]: 2,
      [`${testTenant}/test`]: 1,
      [`${otherTenant}/live`]: 1,
    });
  });

  test("texts of every kind are stored as they came", async () => {
    const space = open();
    const { writer } = await space.open();
    const texts = ["", "é".repeat(200), "漢字 🚀", "x".repeat(70_000), '"quoted"\\', "12345"];
    const events = texts.map((body, index) => event({ body, merchant: "ø".repeat(128), id: `🚀-${index}` }));
    expect(countKinds(await writer.append(events))).toEqual({ stored: texts.length });
    const stored = await space.entries();
    expect(stored.map((one) => one.event)).toEqual(events.map((one) => one.json));
    expect(stored.map((one) => one.eventId)).toEqual(events.map((one) => one.eventId));
    expect(faultsOf(stored)).toEqual([]);
  });

  test("a merchant's order holds through its admission and over several flushes", async () => {
    const space = open();
    const { writer } = await space.open();
    const bodies = Array.from({ length: 5 }, (_, body) =>
      Array.from({ length: 700 }, (_, index) => event({ merchant: `merchant-${body}`, id: `${index}` })),
    );
    await Promise.all(bodies.map((body) => writer.append(body)));
    const stored = await space.entries();
    expect(faultsOf(stored)).toEqual([]);
    for (const [index, body] of bodies.entries()) {
      const key = merchantKey(testTenant, "live", `merchant-${index}`);
      const own = stored.filter((one) => merchantKey(one.tenantId, one.mode, one.merchant) === key);
      expect(own.map((one) => one.eventId)).toEqual(body.map((one) => one.eventId));
    }
  });
});
