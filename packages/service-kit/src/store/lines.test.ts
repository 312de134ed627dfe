import { expect, test } from "bun:test";
import { lines } from "./lines.ts";

test("each text has a line of its own, and a null an empty one", () => {
  expect(lines(['{"a":1}', null, JSON.stringify("two\nlines")])).toBe('{"a":1}\n\n"two\\nlines"');
});

test("a text that would become two elements or null is refused", () => {
  expect(() => lines(["one\ntwo"])).toThrow();
  expect(() => lines([""])).toThrow();
});
