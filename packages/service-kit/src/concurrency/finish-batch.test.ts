import { expect, test } from "bun:test";
import {
  type BatchWork,
  type Failure,
  finishBatch,
  HopelessEntry,
  type Item,
  LeaseLost,
  maxTries,
} from "./finish-batch.ts";

function entriesOf(...keys: string[]): Item[] {
  return keys.map((key, index) => ({ key, position: String(index) }));
}

class Passing extends Error {}

interface Recorder {
  readonly work: BatchWork<Item>;
  readonly calls: string[][];
  readonly buried: string[];
  readonly recorded: Failure[];
  readonly abort: AbortController;
}

/** Work whose handler is given; failures are kept in memory. */
function recorder(items: Item[], handle: (ids: string[]) => void, known: [string, Failure][] = []): Recorder {
  const calls: string[][] = [];
  const buried: string[] = [];
  const recorded: Failure[] = [];
  const abort = new AbortController();
  const work: BatchWork<Item> = {
    items,
    handle: async (batch) => {
      const ids = batch.map((item) => item.position);
      calls.push(ids);
      handle(ids);
    },
    failures: {
      load: async () => new Map(known),
      record: async (_item, failure) => void recorded.push(failure),
      bury: async (item) => void buried.push(item.position),
    },
    isTransient: (error) => error instanceof Passing,
    onError: () => {},
    signal: abort.signal,
    backoff: { firstMs: 1, maxMs: 1 },
  };
  return { work, calls, buried, recorded, abort };
}

const failure = (tries: number, isBuried = false): Failure => ({
  tries,
  isBuried,
  reason: "before",
  firstFailedAt: "2026-01-01T00:00:00.000Z",
  lastFailedAt: "2026-01-01T00:00:00.000Z",
});

test("a batch without a failure is one call", async () => {
  const { work, calls } = recorder(entriesOf("a", "b", "a"), () => {});
  expect(await finishBatch(work)).toBe(3);
  expect(calls).toEqual([["0", "1", "2"]]);
});

test("every entry but the culprits is handled in the first round, and culprits share their rounds", async () => {
  const entries = entriesOf(...Array.from({ length: 64 }, (_, index) => `key-${index}`));
  const culprits = new Set(["7", "40", "41"]);
  const handled: string[] = [];
  const { work, buried, recorded } = recorder(entries, (ids) => {
    if (ids.some((id) => culprits.has(id))) throw new Error("no");
    handled.push(...ids);
  });
  expect(await finishBatch(work)).toBe(64);
  expect(buried.sort()).toEqual(["40", "41", "7"]);
  expect(handled.sort()).toEqual(
    entries
      .map((entry) => entry.position)
      .filter((position) => !culprits.has(position))
      .sort(),
  );
  expect(recorded.map((one) => one.tries)).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
});

test("a key's later entries are not handled before its culprit is buried, also in the same round", async () => {
  const order: string[] = [];
  const { work, buried } = recorder(entriesOf("a", "b", "a", "c", "a"), (ids) => {
    if (ids.includes("0")) throw new Error("no");
    order.push(...ids);
  });
  await finishBatch(work);
  expect(buried).toEqual(["0"]);
  expect(order).toEqual(["1", "3", "2", "4"]);
});

test("tries made before a crash count, and an entry buried before it is left out", async () => {
  const known: [string, Failure][] = [
    ["0", failure(maxTries - 1)],
    ["1", failure(maxTries, true)],
  ];
  const { work, calls, buried } = recorder(
    entriesOf("a", "b", "c"),
    (ids) => {
      if (ids.includes("0") || ids.includes("1")) throw new Error("no");
    },
    known,
  );
  expect(await finishBatch(work)).toBe(3);
  expect(buried).toEqual(["0"]);
  expect(calls.flat()).not.toContain("1");
});

test("an entry that no try can mend is buried after the first", async () => {
  const { work, buried, recorded } = recorder(entriesOf("a", "b", "a"), (ids) => {
    if (ids.includes("1")) throw new HopelessEntry("not JSON");
  });
  expect(await finishBatch(work)).toBe(3);
  expect([buried, recorded]).toEqual([["1"], []]);
});

test("errors that pass are neither tries nor bisected, however many there are", async () => {
  let left = 50;
  const { work, calls, buried, recorded } = recorder(entriesOf("a", "b"), () => {
    left -= 1;
    if (left > 0) throw new Passing();
  });
  expect(await finishBatch(work)).toBe(2);
  expect(calls).toEqual(Array(50).fill(["0", "1"]));
  expect([buried, recorded]).toEqual([[], []]);
});

test("when stopped it tells how many entries from the first on are finished", async () => {
  const entries = entriesOf("a", "b", "c", "d");
  const { work, abort } = recorder(entries, (ids) => {
    if (ids.includes("2")) {
      if (ids.length === 1) abort.abort();
      throw new Error("no");
    }
  });
  expect(await finishBatch(work)).toBe(2);
});

test("once the lease is lost nothing more is handled", async () => {
  const { work, calls } = recorder(entriesOf("a"), () => {
    throw new Error("no");
  });
  const failures = { ...work.failures, record: () => Promise.reject(new LeaseLost()) };
  await expect(finishBatch({ ...work, failures })).rejects.toBeInstanceOf(LeaseLost);
  expect(calls).toHaveLength(1);
});
