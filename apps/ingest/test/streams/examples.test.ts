import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type TestRedisPair, testRedis } from "@payflow/testkit/redis.ts";
import { StreamsSpace } from "./streams-space.ts";

setDefaultTimeout(60_000);

const folder = path.join(import.meta.dir, "../../../../examples/consumers");

let servers: TestRedisPair;
let space: StreamsSpace;
let running: Bun.Subprocess[];

beforeAll(async () => {
  servers = await testRedis();
});
afterAll(() => servers.close());
beforeEach(async () => {
  space = await StreamsSpace.at(servers.durable.url);
  running = [];
});
afterEach(async () => {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(running.map((child) => child.exited));
  await space.end();
});

/** Starts an example as its guide says; what it prints, line by line. */
function start(command: readonly string[], prefix: string) {
  const lines: string[] = [];
  const child = Bun.spawn([...command], {
    env: { ...process.env, REDIS_URL: servers.durable.url, STREAM_PREFIX: prefix, GROUP: "mine" },
    stdout: "pipe",
    stderr: "inherit",
    stdin: "ignore",
  });
  running.push(child);
  void (async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of child.stdout) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
    }
  })();
  return { child, lines };
}

/** The prefix of the space's keys. */
const prefixOf = () => space.keys.plan().replace(":{shared}:plan", "");

const programs = [
  ["TypeScript", [process.execPath, path.join(folder, "consumer.ts")]],
  ["shell", ["bash", path.join(folder, "consumer.sh")]],
] as const;

test.each(programs)(
  "the %s example prints every event in order, and goes on after a crash",
  async (_, command) => {
    const first = await space.store(5);
    const before = start(command, prefixOf());
    await eventually(() => before.lines.length >= first / 2);
    before.child.kill("SIGKILL");
    await before.child.exited;
    // Its place in a group that it registered itself keeps what it has not read.
    const streams = await space.look({ retentionSeconds: 3_600 });
    expect(await streams.registry.list()).toMatchObject([
      { group: "mine", kind: "outside", state: "active" },
    ]);
    const second = await space.store(5);
    await space.redis.del(`${prefixOf()}:{example}:lease:mine`);
    const after = start(command, prefixOf());
    const ids = () => new Set([...before.lines, ...after.lines].map((line) => eventOf(line).event_id));
    await eventually(() => ids().size === first + second, { timeoutMs: 30_000 });
    const order = new Map<string, string[]>();
    for (const line of after.lines) {
      const { merchant_id_hash: merchant, event_id: id } = eventOf(line);
      order.set(merchant, [...(order.get(merchant) ?? []), id]);
    }
    const stored = await space.entries();
    for (const [merchant, printed] of order) {
      const all = stored.filter((entry) => entry.merchant === merchant).map((entry) => entry.eventId);
      expect(printed).toEqual(all.slice(all.length - printed.length));
    }
    await eventually(async () => {
      const pending = await Promise.all(
        [0, 1, 2, 3].map((partition) => space.redis.xpending(space.keys.events(partition), "mine")),
      );
      return pending.every(([count]) => count === 0);
    });
  },
);

test.each(programs)("the %s example leaves out what was redriven for another group", async (_, command) => {
  await space.store(1, { merchants: ["m1"] });
  const key = space.keys.events(0);
  const fields = ["tenant", "t", "mode", "live", "merchant", "m", "sequence", "1", "id", "x"];
  await space.redis.xadd(key, "*", ...fields, "event", '{"event_id":"theirs"}', "for", "other");
  await space.redis.xadd(key, "*", ...fields, "event", '{"event_id":"ours"}', "for", "mine");
  await space.redis.xadd(key, "*", ...fields, "event", '{"event_id":"everybody\'s"}');
  const { lines } = start(command, prefixOf());
  await eventually(() => lines.length === 3);
  const printed = lines.map((line) => eventOf(line).event_id);
  expect(printed).toContain("ours");
  expect(printed).toContain("everybody's");
  expect(printed).not.toContain("theirs");
});

test("the TypeScript example ends on SIGTERM, and one that stood by goes on", async () => {
  const command = programs[0][1];
  const first = await space.store(1);
  const active = start(command, prefixOf());
  await eventually(() => active.lines.length === first);
  const standby = start(command, prefixOf());
  active.child.kill("SIGTERM");
  expect(await active.child.exited).toBe(0);
  const second = await space.store(1);
  await eventually(() => standby.lines.length === second);
  expect(active.lines).toHaveLength(first);
});

/** The shell prints the event alone, the program what surrounds it too. */
function eventOf(line: string): { readonly event_id: string; readonly merchant_id_hash: string } {
  const read = JSON.parse(line);
  return read.event ?? read;
}
