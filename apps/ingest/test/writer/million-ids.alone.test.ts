import { afterAll, beforeAll, expect, test } from "bun:test";
import { settled } from "@payflow/service-kit/store/redis.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import type { AcceptedEvent } from "../../src/events/event.ts";
import { countKinds, event, WriterSpace } from "./writer-fixture.ts";

/** Events, of which one in twenty comes a second time. */
const total = process.env.PAYFLOW_THOROUGH === "1" ? 1_000_000 : 100_000;
const repeats = total / 20;
const distinct = total - repeats;
const merchants = 1_000;
const bodySize = 1_000;

let pair: TestRedisPair;
let space: WriterSpace;

beforeAll(async () => {
  pair = await testRedis();
  // Few partitions when few ids: then each has about as many as of a million in 16.
  space = new WriterSpace(pair.durable.url, Math.max(1, Math.round((16 * total) / 1_000_000)));
  await settled(space.redis);
  await space.redis.config("SET", "maxmemory", "4gb");
});
afterAll(async () => {
  await space.end();
  await pair.close();
});

test(`${total.toLocaleString("en")} events with 5 % repeats are stored once each, in 20 bytes an id`, async () => {
  const replicas = await Promise.all([space.open(), space.open()]);
  const of = (index: number): AcceptedEvent =>
    event({ merchant: `merchant-${index % merchants}`, id: `payment-event-${index}` });
  // Repeats come at any distance, within a body and in others, and through either replica.
  const order = Array.from({ length: total }, (_, index) =>
    index < distinct ? index : Math.floor(Math.random() * distinct),
  ).toSorted(() => Math.random() - 0.5);
  const counts: Record<string, number> = {};
  const sender = async (own: number) => {
    const { writer } = replicas[own % replicas.length] ?? (await space.open());
    for (let at = own * bodySize; at < total; at += senders * bodySize) {
      const results = await writer.append(order.slice(at, at + bodySize).map(of));
      for (const [kind, count] of Object.entries(countKinds(results))) {
        counts[kind] = (counts[kind] ?? 0) + count;
      }
    }
  };
  const senders = 8;
  await Promise.all(Array.from({ length: senders }, (_, own) => sender(own)));
  expect(counts).toEqual({ stored: distinct, duplicate: repeats });

  let stored = 0;
  for (let partition = 0; partition < space.partitions; partition += 1) {
    stored += await space.redis.xlen(space.keys.events(partition));
  }
  expect(stored).toBe(distinct);
  const bytes = (await rememberedBytes()) / distinct;
  console.log(`${distinct} remembered ids, ${bytes.toFixed(2)} bytes each`);
  expect(bytes).toBeLessThanOrEqual(20);
}, 300_000);

/** What Redis's memory falls by when all remembered ids are removed, and nothing else. */
async function rememberedBytes(): Promise<number> {
  const before = await usedBytes();
  for (let partition = 0; partition < space.partitions; partition += 1) {
    const keys = await space.redis.keys(`${space.keys.seen(partition)}*`);
    for (let at = 0; at < keys.length; at += 500) await space.redis.del(...keys.slice(at, at + 500));
  }
  return before - (await usedBytes());
}

/** Without the buffers of connections and of the append-only file, which come and go. */
async function usedBytes(): Promise<number> {
  const info = await space.redis.info("memory");
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1]);
  return field("used_memory") - field("mem_clients_normal") - field("mem_aof_buffer");
}
