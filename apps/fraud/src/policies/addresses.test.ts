import { expect, test } from "bun:test";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { type AddressRange, canonicalAddress, inRanges, parseRange, sortableAddress } from "./addresses.ts";

function rangeOf(text: string): AddressRange {
  const range = parseRange(text);
  if (range === undefined) throw new Error(`${text} is no range`);
  return range;
}

function among(ranges: readonly string[]): (text: string) => boolean {
  const isIn = inRanges(ranges.map(rangeOf));
  return (text) => {
    const address = sortableAddress(text);
    return address !== undefined && isIn(address);
  };
}

test("all spellings of an address are one", () => {
  for (const spelling of ["2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:0db8::0001"]) {
    expect(canonicalAddress(spelling)).toBe("2001:db8::1");
  }
  expect(canonicalAddress("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(canonicalAddress("::ffff:c000:201")).toBe("192.0.2.1");
  expect(canonicalAddress("192.0.2.1")).toBe("192.0.2.1");
});

test("a range holds what its prefix covers, also in the mapped spelling, and nothing of the other family", () => {
  const isInRanges = among(["10.0.0.0/8", "2001:db8::/32", "::ffff:192.0.2.0/120"]);
  for (const inside of ["10.255.0.1", "2001:db8:ffff::", "192.0.2.255", "::ffff:10.0.0.1"]) {
    expect({ inside, is: isInRanges(inside) }).toEqual({ inside, is: true });
  }
  for (const outside of ["11.0.0.1", "2001:db9::", "192.0.3.0", "a00::1", "10.1", ""]) {
    expect({ outside, is: isInRanges(outside) }).toEqual({ outside, is: false });
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

const anyAddress = fc.oneof(
  fc.ipV4(),
  // Neighbours, so that ranges of them overlap, touch and enclose each other.
  fc.integer({ min: 0, max: 1_023 }).map((host) => `198.51.${100 + (host >> 8)}.${host & 255}`),
  fc.ipV6(),
  fc.integer({ min: 0, max: 1_023 }).map((host) => `2001:db8::${host.toString(16)}`),
);

test("an address is in a list if and only if it is in one of its ranges", () => {
  const anyRange = fc.tuple(anyAddress, fc.nat({ max: 32 })).map(([text, less]) => {
    const address = ipaddr.process(text);
    return `${address}/${(address.kind() === "ipv4" ? 32 : 128) - less}`;
  });
  fc.assert(
    fc.property(fc.array(anyRange, { maxLength: 20 }), fc.array(anyAddress), (texts, addresses) => {
      const isInRanges = among(texts);
      for (const address of addresses) {
        const parsed = ipaddr.process(address);
        const expected = texts.some((text) => {
          const [base, bits] = ipaddr.parseCIDR(text);
          return base.kind() === parsed.kind() && parsed.match(base, bits);
        });
        expect({ address, is: isInRanges(address) }).toEqual({ address, is: expected });
      }
    }),
  );
});
