import { describe, expect, test } from "bun:test";
import { apiKeyMode, hashApiKey, makeApiKey, shownParts } from "./api-key.ts";

describe("an API key", () => {
  test("carries its mode and passes its own check", () => {
    for (let round = 0; round < 200; round += 1) {
      expect(apiKeyMode(makeApiKey("live"))).toBe("live");
      expect(apiKeyMode(makeApiKey("test"))).toBe("test");
    }
  });

  test("is one of a kind", () => {
    const made = new Set(Array.from({ length: 1_000 }, () => makeApiKey("test")));
    expect(made.size).toBe(1_000);
  });

  test("with any one character changed is refused without a look-up", () => {
    const key = makeApiKey("live");
    for (let index = 0; index < key.length; index += 1) {
      const other = key[index] === "x" ? "y" : "x";
      expect(apiKeyMode(key.slice(0, index) + other + key.slice(index + 1))).toBeNull();
    }
  });

  test("with the mode exchanged, cut short, lengthened or empty is refused", () => {
    const key = makeApiKey("test");
    for (const wrong of [
      key.replace("test", "live"),
      key.slice(0, -1),
      `${key}0`,
      "",
      ` ${key}`,
      `${key}\n`,
    ]) {
      expect(apiKeyMode(wrong)).toBeNull();
    }
  });

  test("has the checksum of its published format", () => {
    // CRC-32 (IEEE 802.3) of the 41 characters before is 0x6b9f8389, computed independently with zlib.
    const body = "pfk_test_00000000000000000000000000000000";
    expect(apiKeyMode(`${body}1yCBCr`)).toBe("test");
  });

  test("is shown by its first thirteen and last four characters only", () => {
    const key = makeApiKey("live");
    expect(shownParts(key)).toEqual({ prefix: key.slice(0, 13), last4: key.slice(-4) });
    expect(hashApiKey(key)).toMatch(/^[0-9a-f]{64}$/);
  });
});
