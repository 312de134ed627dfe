import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { ObjectCache } from "../../src/kubernetes/cache/object-cache.ts";
import { type Reflector, startReflector } from "../../src/kubernetes/cache/reflector.ts";
import { patiently } from "../setup/patience.ts";
import { FakeApiServer, type StoredObject } from "./fake-api-server.ts";
import { connectTo, serve } from "./plain-connection.ts";
import { pick, type Random, seeded, seededFaults } from "./seeded-faults.ts";
import { kind, things } from "./things.ts";

setDefaultTimeout(300_000);

const logger = createLogger("test", "silent");
const closing: (() => unknown)[] = [];

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

/** A server with its reflector, and what a listener has put together from the changes alone. */
function follow(server: FakeApiServer, silenceMs = 10_000) {
  const listener = serve(server);
  const metrics = new Metrics("test");
  const client = connectTo(listener.url, { metrics, logger });
  const cache = new ObjectCache<StoredObject>();
  const told = new Map<string, StoredObject>();
  const reflector: Reflector = startReflector<StoredObject>({
    ...{ client, kind, cache, logger, silenceMs, backoff: { firstMs: 1, maxMs: 5 } },
    onChange(change) {
      if (change.type === "deleted") told.delete(change.key);
      else told.set(change.key, change.object);
    },
  });
  const close = async () => {
    await reflector.stop();
    await listener.stop();
  };
  closing.push(close);
  return { cache, reflector, told, metrics, close };
}

const shown = (objects: Iterable<readonly [string, StoredObject]>) =>
  Object.fromEntries([...objects].sort(([left], [right]) => (left < right ? -1 : 1)));
const cached = (cache: ObjectCache<StoredObject>) =>
  cache.keys().map((key) => [key, cache.get(key) as StoredObject] as const);

/** One change, and now and then something that happens to all watches. */
async function disturb(server: FakeApiServer, random: Random, names: readonly string[], step: number) {
  const key = `${pick(random, ["a", "b"])}/${pick(random, names)}`;
  // Some objects are changed and deleted at once, so that these events come together.
  if (random() < 0.7) {
    server.put(things, key, { spec: { step, text: pick(random, ["plain", "größer", "支払い", "💸"]) } });
  }
  if (random() < 0.4) server.delete(things, key);
  if (random() < 0.02) server.compact();
  if (random() < 0.05) server.resetWatches();
  if (random() < 0.4) await new Promise<void>((resolve) => setTimeout(resolve, random() < 0.1 ? 10 : 0));
}

const seedCount = process.env.PAYFLOW_THOROUGH === "1" ? 200 : 24;

describe("whatever goes wrong, the cache ends up equal to the server", () => {
  const met = new Map<string, number>();

  test.each(Array.from({ length: seedCount }, (_, index) => index + 1))("seed %d", async (seed) => {
    const server = new FakeApiServer();
    const random = seeded(seed);
    for (let count = 0; count < 20; count += 1) server.put(things, `a/old-${count}`, { spec: { count } });
    const faults = seededFaults(seed, server);
    server.faults = faults;
    const { cache, reflector, told, close } = follow(server, 60);
    const names = [..."abcdefghijklmnop", "old-1", "old-2"];
    for (let phase = 0; phase < 5; phase += 1) {
      faults.setCalm(false);
      for (let step = 0; step < 40; step += 1) await disturb(server, random, names, step);
      faults.setCalm(true);
      await reflector.synced;
      await patiently(() => {
        expect(shown(cached(cache))).toEqual(shown(server.stored(things)));
      });
      expect(shown(told)).toEqual(shown(server.stored(things)));
    }
    for (const [fault, count] of faults.met) met.set(fault, (met.get(fault) ?? 0) + count);
    await close();
  });

  test("all kinds of faults were among them", () => {
    const wanted = ["429", "500", "503", "410", "duplicated", "reordered", "reset", "silence", "error"];
    expect([...wanted, "ended", "split"].filter((fault) => !met.has(fault))).toEqual([]);
  });
});

describe("a watch", () => {
  test("asks for bookmarks and a limit of its own, and goes on where the last one ended", async () => {
    const server = new FakeApiServer();
    server.put(things, "a/one", {});
    const { cache, reflector } = follow(server);
    await reflector.synced;
    await eventually(() => server.openWatches === 1);
    for (let count = 0; count < 20; count += 1) server.put(things, "a/one", { spec: { count } });
    await eventually(() => expect(cache.get("a/one")?.spec).toEqual({ count: 19 }));
    server.resetWatches();
    server.put(things, "a/two", {});
    await eventually(() => expect(cache.size).toBe(2));
    const watches = server.requests.filter(({ path }) => path.includes("watch=true"));
    const queries = watches.map(({ path }) => new URL(path, "http://server").searchParams);
    expect(server.requests.length - watches.length).toBe(1);
    expect(queries.every((query) => query.get("allowWatchBookmarks") === "true")).toBe(true);
    expect(queries.map((query) => Number(query.get("timeoutSeconds"))).every((one) => one >= 280)).toBe(true);
    expect(Number(queries.at(-1)?.get("resourceVersion"))).toBeGreaterThan(
      Number(queries[0]?.get("resourceVersion")),
    );
  });

  test("that is too old leads to a new list, of which only the differences are told", async () => {
    const server = new FakeApiServer();
    for (let count = 0; count < 5; count += 1) server.put(things, `a/${count}`, {});
    const { cache, told, reflector } = follow(server);
    await reflector.synced;
    await eventually(() => server.openWatches === 1);
    server.faults = { sender: () => ({ send: () => {} }) };
    server.resetWatches();
    await eventually(() => server.openWatches === 1);
    server.delete(things, "a/3");
    server.put(things, "a/new", {});
    server.faults = {};
    server.compact();
    server.resetWatches();
    await eventually(() => expect(shown(cached(cache))).toEqual(shown(server.stored(things))));
    expect(shown(told)).toEqual(shown(server.stored(things)));
  });

  test("of a server that was restored from a backup ends with what the backup holds", async () => {
    const server = new FakeApiServer();
    server.put(things, "a/kept", { spec: { from: "backup" } });
    const backup = { version: server.version, objects: server.stored(things) };
    server.put(things, "a/kept", { spec: { from: "later" } });
    server.put(things, "a/lost", {});
    const { cache, reflector } = follow(server);
    await reflector.synced;
    await eventually(() => server.openWatches === 1);
    server.restore(backup.version, backup.objects, things);
    server.faults = {
      answer: ({ url }) => {
        const isFuture = Number(url.searchParams.get("resourceVersion")) > server.version;
        return isFuture ? Response.json({ code: 410, reason: "Expired" }, { status: 410 }) : undefined;
      },
    };
    await eventually(() => expect(shown(cached(cache))).toEqual(shown(backup.objects)));
  });

  test("tells a list of many pages as one", async () => {
    const server = new FakeApiServer();
    for (let count = 0; count < 1_203; count += 1) server.put(things, `a/${count}`, {});
    const { cache, reflector } = follow(server);
    await reflector.synced;
    expect(cache.size).toBe(1_203);
    expect(server.requests.filter(({ path }) => !path.includes("watch=")).length).toBe(3);
  });
});
