import { expect, test } from "bun:test";
import { FakeClock } from "@payflow/testkit/fake-clock.ts";
import { EventSeries, type Happening } from "./event-series.ts";

const refused: Happening = {
  type: "Warning",
  reason: "Refused",
  action: "Apply",
  note: "The name is taken.",
};

function newSeries() {
  const clock = new FakeClock();
  let count = 0;
  const series = new EventSeries(() => {
    count += 1;
    return `name-${count}`;
  });
  return {
    clock,
    note: (object: string, happening = refused) => series.note(object, happening, clock.now()),
    series,
  };
}

test("the same happening is one Event whose count is written once a minute at most", () => {
  const { clock, note, series } = newSeries();
  expect(note("a")).toMatchObject({ verb: "create", series: { name: "name-1", count: 1 } });
  for (let count = 0; count < 10; count += 1) expect(note("a")).toBeUndefined();
  expect(series.due(clock.now()).writes).toEqual([]);
  clock.advance(60_000);
  expect(series.due(clock.now()).writes).toMatchObject([
    { verb: "count", series: { name: "name-1", count: 11 } },
  ]);
  expect(series.due(clock.now()).writes).toEqual([]);
});

test("other objects and other words are Events of their own, and so is what happens again much later", () => {
  const { clock, note, series } = newSeries();
  const first = note("a");
  expect(note("b")?.verb).toBe("create");
  expect(note("a", { ...refused, note: "It is too long." })?.verb).toBe("create");
  clock.advance(6 * 60_000);
  expect(series.due(clock.now()).forgotten).toContain(first?.key ?? "");
  expect(note("a")).toMatchObject({ verb: "create", series: { name: "name-4" } });
});

test("an object that has ever other things to tell gets 25 Events, then one in five minutes", () => {
  const { clock, note } = newSeries();
  const tell = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      note("a", { ...refused, note: `${clock.now()} ${index}` }),
    ).filter((write) => write !== undefined).length;
  expect(tell(100)).toBe(25);
  expect(note("b")).toBeDefined();
  clock.advance(10 * 60_000);
  expect(tell(100)).toBe(2);
});
