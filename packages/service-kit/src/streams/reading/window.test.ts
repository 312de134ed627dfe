import { expect, test } from "bun:test";
import { Window } from "./window.ts";

const ids = (...numbers: number[]) => numbers.map((number) => `${number}-0`);

function windowOf(count: number, ahead: string[] = []) {
  const window = new Window({ position: "0-0", entriesRead: 0 }, ahead);
  const open = ids(...Array.from({ length: count }, (_, index) => index + 1)).filter((id) =>
    window.admit(id, false),
  );
  return { window, open };
}

/** Acknowledges and stores. */
function finish(window: Window, entries: string[]) {
  const progress = window.plan(entries);
  window.apply(progress);
  return progress;
}

test("the position moves over what is done without a gap, and what is ahead is remembered until it is passed", () => {
  const { window } = windowOf(5);
  expect(finish(window, ids(2, 4))).toEqual({
    ...{ position: "0-0", entriesRead: 0, hasMoved: false },
    ...{ ahead: ids(2, 4), passed: [] },
  });
  expect(finish(window, ids(1))).toEqual({
    ...{ position: "2-0", entriesRead: 2, hasMoved: true },
    ...{ ahead: [], passed: ids(2) },
  });
  expect(window.size).toBe(3);
  expect(finish(window, ids(5, 3))).toMatchObject({ position: "5-0", entriesRead: 5, passed: ids(4) });
  expect(window.size).toBe(0);
});

test("what the holder before had done ahead, and what is for others, is not handled again but passed", () => {
  const { window, open } = windowOf(3, ids(2));
  expect(open).toEqual(ids(1, 3));
  expect(window.admit("4-0", true)).toBe(false);
  expect(finish(window, ids(1, 3))).toMatchObject({ position: "4-0", entriesRead: 4, passed: ids(2) });
});

test("an entry acknowledged twice, or never read, changes nothing", () => {
  const { window } = windowOf(2);
  finish(window, ids(1));
  expect(window.plan([...ids(1), "9-0"])).toMatchObject({ hasMoved: false, ahead: [], passed: [] });
});

test("a plan that could not be stored leaves everything as it was", () => {
  const { window } = windowOf(3);
  window.plan(ids(1, 2, 3));
  expect(window.plan(ids(1))).toMatchObject({ position: "1-0", entriesRead: 1 });
  expect(window.size).toBe(3);
});

test("whatever the order, the position ends behind the last entry and nothing stays remembered", () => {
  for (let round = 0; round < 200; round += 1) {
    const count = 1 + (round % 17);
    const { window, open } = windowOf(count);
    const stored = new Set<string>();
    let last = { position: "0-0", entriesRead: 0 as number | null };
    // A fixed shuffle for each round, so that a failure can be repeated.
    const order = [...open].sort(
      (left, right) => Bun.hash.crc32(`${round}${left}`) - Bun.hash.crc32(`${round}${right}`),
    );
    while (order.length > 0) {
      const progress = finish(window, order.splice(0, 1 + (round % 3)));
      for (const id of progress.ahead) stored.add(id);
      for (const id of progress.passed) expect(stored.delete(id)).toBe(true);
      last = progress;
    }
    expect(last).toMatchObject({ position: `${count}-0`, entriesRead: count });
    expect([window.size, stored.size]).toEqual([0, 0]);
  }
});
