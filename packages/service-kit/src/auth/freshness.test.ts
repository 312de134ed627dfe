import { describe, expect, test } from "bun:test";
import { defaultLimits } from "@payflow/contracts/access.ts";
import type { KeyRecord } from "@payflow/contracts/internal-tenant.ts";
import { ChangeFeed } from "./change-feed.ts";
import type { PolledChanges } from "./key-cache.ts";
import { type FeedView, KeyEntries, type KeyEntry } from "./key-entries.ts";

const record = (version: number, keyId = "key_1"): KeyRecord => ({
  key_id: keyId,
  tenant_id: "ten_1",
  mode: "live",
  scopes: [],
  expires_at: null,
  status: "active",
  tenant_status: "active",
  limits: defaultLimits,
  version,
});

const entry = (given: Partial<KeyEntry> = {}): KeyEntry => ({
  record: record(5),
  loadedAt: 0,
  readAt: 0,
  run: 1,
  validUntil: Number.POSITIVE_INFINITY,
  ...given,
});

const silent: FeedView = { run: 1, provenAt: Number.NEGATIVE_INFINITY };

describe("a record in memory", () => {
  test("is used for half a second after its own reading, and longer while the feed vouches for it", () => {
    const entries = new KeyEntries(10);
    entries.put("a", entry());
    expect(entries.find("a", 500, silent)).toBeDefined();
    expect(entries.find("a", 501, silent)).toBeUndefined();
    expect(entries.find("a", 20_000, { run: 1, provenAt: 19_500 })).toBeDefined();
    expect(entries.find("a", 20_001, { run: 1, provenAt: 19_500 })).toBeUndefined();
  });

  test("is read anew after half a minute, whatever the feed says", () => {
    const entries = new KeyEntries(10);
    entries.put("a", entry());
    expect(entries.find("a", 30_000, { run: 1, provenAt: 30_000 })).toBeDefined();
    expect(entries.find("a", 30_001, { run: 1, provenAt: 30_001 })).toBeUndefined();
  });

  test("loaded before something was missed is vouched for no longer", () => {
    const entries = new KeyEntries(10);
    entries.put("a", entry());
    expect(entries.find("a", 600, { run: 2, provenAt: 600 })).toBeUndefined();
    expect(entries.find("a", 400, { run: 2, provenAt: 400 })).toBeDefined();
  });

  test("is refused once a change with a higher number names its key or its tenant", () => {
    for (const subject of ["key_1", "ten_1"]) {
      const entries = new KeyEntries(10);
      entries.put("a", entry());
      entries.noteChange(subject, 5, 10);
      expect(entries.find("a", 20, silent)).toBeDefined();
      entries.noteChange(subject, 6, 20);
      expect(entries.find("a", 20, silent)).toBeUndefined();
      expect(entries.isOutdated(record(5))).toBe(true);
      expect(entries.isOutdated(record(6))).toBe(false);
      entries.noteChange("key_2", 7, 20);
      expect(entries.isOutdated(record(6))).toBe(false);
    }
  });

  test("is refused for as long as an answer from before the change could still arrive", () => {
    const entries = new KeyEntries(10);
    entries.noteChange("key_1", 6, 0);
    entries.noteChange("key_2", 7, 59_000);
    expect(entries.isOutdated(record(5))).toBe(true);
  });

  test("is one of a bounded number", () => {
    const entries = new KeyEntries(3);
    for (const name of ["a", "b", "c", "a", "d"]) entries.put(name, entry());
    expect(["a", "b", "c", "d"].map((name) => entries.has(name))).toEqual([true, false, true, true]);
  });
});

describe("the feed of changes", () => {
  function feedOf(answers: PolledChanges[]) {
    let now = 1_000;
    const changes: [string, number][] = [];
    const asked: number[] = [];
    const feed = new ChangeFeed({
      cache: {
        async poll(seen) {
          asked.push(seen);
          const answer = answers.shift();
          // The answer takes 40 ms.
          now += 40;
          if (answer === undefined) throw new Error("Redis is away");
          return answer;
        },
      },
      onChange: (subject, number) => changes.push([subject, number]),
      now: () => now,
    });
    return { feed, changes, asked, advance: (ms: number) => (now += ms) };
  }
  const beat = (number: number, ageMs = 0, changes: PolledChanges["changes"] = []): PolledChanges => ({
    nowMs: 1_000_000,
    atMs: 1_000_000 - ageMs,
    number,
    changes,
  });

  test("is reckoned from before the question and by the age Redis tells", async () => {
    const { feed } = feedOf([beat(3, 120)]);
    await feed.poll();
    expect(feed.provenAt).toBe(1_000 - 120);
    expect(feed.seen).toBe(3);
  });

  test("hands on each change once, in order, without starting over", async () => {
    const { feed, changes, asked } = feedOf([
      beat(3),
      beat(5, 0, [
        { number: 4, subject: "key_a" },
        { number: 5, subject: "ten_b" },
      ]),
      beat(5),
    ]);
    await feed.poll();
    const { run } = feed;
    await feed.poll();
    await feed.poll();
    expect(changes).toEqual([
      ["key_a", 4],
      ["ten_b", 5],
    ]);
    expect(asked).toEqual([-1, 3, 5]);
    expect(feed.run).toBe(run);
  });

  test.each([
    ["a number is missing", beat(5, 0, [{ number: 5, subject: "key_a" }])],
    ["the stream is empty", beat(5)],
    ["Redis came back with less than before", beat(1)],
  ])("starts over when %s", async (_, lossy) => {
    const { feed } = feedOf([beat(3), lossy]);
    await feed.poll();
    const { run } = feed;
    await feed.poll();
    expect(feed.run).toBe(run + 1);
    expect(feed.seen).toBe(lossy.number);
  });

  test("proves nothing while Redis is away, has lost everything, or its clock went back", async () => {
    const { feed, advance } = feedOf([beat(3), { ...beat(-1), atMs: -1 }, beat(3, -5_000)]);
    await feed.poll();
    const { provenAt } = feed;
    advance(1_000);
    await feed.poll();
    await feed.poll();
    await expect(feed.poll()).rejects.toThrow("Redis is away");
    expect(feed.provenAt).toBe(provenAt);
  });

  test("starting over proves nothing by what was proven before", async () => {
    const { feed } = feedOf([beat(6), beat(5, 60_000)]);
    await feed.poll();
    await feed.poll();
    expect(feed.provenAt).toBeLessThan(-50_000);
  });
});
