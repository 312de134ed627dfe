import { expect, test } from "bun:test";
import { canonicalAddress, isInRanges, parseRange } from "./addresses.ts";

test("all spellings of an address are one", () => {
  for (const spelling of ["2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:0db8::0001"]) {
    expect(canonicalAddress(spelling)).toBe("2001:db8::1");
  }
  expect(canonicalAddress("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(canonicalAddress("::ffff:c000:201")).toBe("192.0.2.1");
  expect(canonicalAddress("192.0.2.1")).toBe("192.0.2.1");
});

test("a range holds what its prefix covers, also in the mapped spelling, and nothing of the other family", () => {
  const ranges = ["10.0.0.0/8", "2001:db8::/32", "::ffff:192.0.2.0/120"].map((text) => {
    const range = parseRange(text);
    if (range === undefined) throw new Error(`${text} is no range`);
    return range;
  });
  for (const inside of ["10.255.0.1", "2001:db8:ffff::", "192.0.2.255", "::ffff:10.0.0.1"]) {
    expect({ inside, is: isInRanges(inside, ranges) }).toEqual({ inside, is: true });
  }
  for (const outside of ["11.0.0.1", "2001:db9::", "192.0.3.0", "a00::1", "10.1", ""]) {
    expect({ outside, is: isInRanges(outside, ranges) }).toEqual({ outside, is: false });
  }
});

test("what is no address or prefix is no range", () => {
  for (const text of [
    "",
    "10.1",
    "0x0a000001",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/8/8",
    "fe80::1%eth0",
    "a/8",
    "::ffff:10.0.0.0/90",
  ]) {
    expect({ text, range: parseRange(text) }).toEqual({ text, range: undefined });
  }
});
