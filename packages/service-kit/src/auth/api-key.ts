import { randomBytes } from "node:crypto";
import type { Mode } from "@payflow/contracts/access.ts";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const format = /^pfk_(live|test)_[0-9A-Za-z]{38}$/;
const checksumLength = 6;
const randomLength = 32;

/**
 * A new key: `pfk_live_` or `pfk_test_`, 32 random base62 characters, and 6 of the CRC-32 over all before
 * them.
 */
export function makeApiKey(mode: Mode): string {
  const body = `pfk_${mode}_${randomBase62(randomLength)}`;
  return body + checksum(body);
}

/**
 * The mode a well-formed key is for; null for anything that was not made by `makeApiKey`, without a look-up.
 */
export function apiKeyMode(key: string): Mode | null {
  if (!format.test(key)) return null;
  const body = key.slice(0, -checksumLength);
  if (checksum(body) !== key.slice(-checksumLength)) return null;
  return key.startsWith("pfk_live_") ? "live" : "test";
}

/** The SHA-256 of a key in hex: the only form in which a key is cached or asked about. */
export function hashApiKey(key: string): string {
  return Bun.CryptoHasher.hash("sha256", key, "hex");
}

/** What may be shown of a key for people to tell it from others: its first 13 and last 4 characters. */
export function shownParts(key: string): { readonly prefix: string; readonly last4: string } {
  return { prefix: key.slice(0, 13), last4: key.slice(-4) };
}

function checksum(body: string): string {
  let rest = Bun.hash.crc32(body);
  let text = "";
  for (let index = 0; index < checksumLength; index += 1) {
    text = alphabet.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

function randomBase62(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 is the greatest multiple of 62 in a byte; greater values would favour the first characters.
      if (byte < 248 && text.length < length) text += alphabet.charAt(byte % 62);
    }
  }
  return text;
}
