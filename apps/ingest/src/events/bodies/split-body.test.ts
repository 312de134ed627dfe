import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { arrayElements, lines, repeatedName, textOf } from "./split-body.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const most = 10;

/** A JSON text of the value with blanks wherever JSON allows them. */
function spaced(value: unknown, blank: string): string {
  if (Array.isArray(value)) {
    return `[${blank}${value.map((one) => spaced(one, blank)).join(`${blank},${blank}`)}${blank}]`;
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([name, one]) => `${blank}${JSON.stringify(name)}${blank}:${blank}${spaced(one, blank)}`,
    );
    return `{${members.join(`${blank},`)}${blank}}`;
  }
  return JSON.stringify(value);
}
const blanks = fc.constantFrom("", " ", "\n\t ", "\r\n", " ".repeat(50));

describe("an array's elements", () => {
  test("are its values, each as its own text, whatever stands in them", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: most }), blanks, (values, blank) => {
        const text = blank + spaced(values, blank) + blank;
        expect(arrayElements(text, most).map((one) => JSON.parse(one))).toEqual(JSON.parse(text));
      }),
    );
  });

  test("of no array are refused as JSON of another kind, or as no JSON", () => {
    for (const text of ["null", "{}", '"[1]"', "1", " true ", `{"a":"${"x".repeat(70_000)}`]) {
      expect(() => arrayElements(text, most)).toThrow("invalid_request");
    }
    for (const text of [
      "",
      " ",
      "nul",
      "{",
      '"[1]',
      "[",
      "[1",
      "[1]]",
      "[1] 2",
      "[{]",
      "[[]",
      "[1}",
      '["]',
    ]) {
      const parse = () => arrayElements(text, most).map((one) => JSON.parse(one));
      expect([text, parse]).toEqual([text, expect.any(Function)]);
      expect(parse).toThrow();
    }
    expect(() => arrayElements("[1]\n[2]", most)).toThrow("invalid_json");
  });

  test("are JSON together exactly when the array is", () => {
    const parts = ["[", "]", "{", "}", ",", ":", '"', "\\", "1", "a", '"b"', "null", " ", '"c":'];
    const isJson = (text: string) => {
      try {
        return Array.isArray(JSON.parse(text));
      } catch {
        return false;
      }
    };
    const isSplit = (text: string) => {
      try {
        for (const one of arrayElements(text, 1_000)) JSON.parse(one);
        return true;
      } catch {
        return false;
      }
    };
    const texts = fc.array(fc.constantFrom(...parts), { maxLength: 12 }).map((some) => some.join(""));
    fc.assert(
      fc.property(texts, fc.boolean(), (text, isWrapped) => {
        const whole = isWrapped ? `[${text}]` : text;
        expect([whole, isSplit(whole)]).toEqual([whole, isJson(whole)]);
      }),
      { numRuns: 5_000 },
    );
  });

  test("are not more than the body may have", () => {
    expect(arrayElements(`[${"1,".repeat(most - 1)}1]`, most)).toHaveLength(most);
    expect(() => arrayElements(`[${"1,".repeat(most)}1]`, most)).toThrow("payload_too_large");
    expect(() => arrayElements(`[${",".repeat(1_000_000)}]`, most)).toThrow("payload_too_large");
  });
});

describe("lines", () => {
  const texts = (text: string | Uint8Array) => lines(typeof text === "string" ? bytes(text) : text, most);

  test("are told without blank ones, with or without a line break at the end", () => {
    for (const text of ["1\n2", "1\n2\n", "\n1\r\n\r\n \t\n2\n\n", "\ufeff1\n2"]) {
      expect(texts(text).map((one) => ("text" in one ? one.text.trim() : one))).toEqual(["1", "2"]);
    }
    for (const text of ["", "\n", " \n\n", "\ufeff"]) expect(texts(text)).toEqual([]);
  });

  test("that are not UTF-8 spoil no other", () => {
    const body = Buffer.concat([bytes('"é"\n'), Buffer.from([0x22, 0xff, 0x22, 0x0a, 0x0a]), bytes('"日"')]);
    expect(texts(body)).toEqual([{ text: '"é"' }, { problem: "Expected UTF-8" }, { text: '"日"' }]);
  });

  test("are not more than the body may have, and blank ones are no way around that", () => {
    expect(texts("1\n".repeat(most))).toHaveLength(most);
    for (const text of ["1\n".repeat(most + 1), "\n".repeat(20_000)]) {
      expect(() => texts(text)).toThrow("payload_too_large");
      expect(() => texts(Buffer.concat([Buffer.from([0xff, 0x0a]), bytes(text)]))).toThrow(
        "payload_too_large",
      );
    }
  });
});

describe("a name that stands twice in an object", () => {
  test("is found in any object of the text, however it is written", () => {
    for (const [text, name] of [
      ['{"a":1,"a":2}', "a"],
      ['{"a":1,"b":{"c":1, "c" : 2}}', "c"],
      ['{"a":1,"\\u0061":2}', "a"],
      [`{"a"${" ".repeat(100)}:1,"a":1}`, "a"],
      ['{"":1,"":2}', ""],
      ['[{"a":{"x":1}},{"b":1,"b":1}]', "b"],
      ['{"__proto__":1,"__proto__":1}', "__proto__"],
    ]) {
      expect([text, repeatedName(text ?? "")]).toEqual([text, name]);
    }
  });

  test("is found in no text that a program has written", () => {
    fc.assert(
      fc.property(fc.jsonValue(), blanks, (value, blank) => {
        expect(repeatedName(spaced(value, blank))).toBeNull();
      }),
    );
  });
});

test("text is taken from UTF-8 alone", () => {
  expect(textOf(bytes("a\ud83d\ude00é"))).toBe("a\ud83d\ude00é");
  for (const wrong of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]]) {
    expect(textOf(new Uint8Array(wrong))).toBeNull();
  }
});
