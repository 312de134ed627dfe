import { expect, test } from "bun:test";
import { createSecretBox } from "./secret-box.ts";

const key = "one encryption key of thirty-two characters or more";
const other = "another encryption key of thirty-two characters or more";

test("what is sealed opens for its endpoint, and shows nothing of the secret", () => {
  const box = createSecretBox([key]);
  const sealed = box.seal("whe_1", "whsec_secret");
  expect(Buffer.from(sealed.sealed).toString("latin1")).not.toContain("whsec");
  expect(box.open("whe_1", sealed)).toBe("whsec_secret");
  expect(box.seal("whe_1", "whsec_secret").sealed).not.toEqual(sealed.sealed);
});

test("it opens neither for another endpoint, nor with a changed byte, nor under another key", () => {
  const box = createSecretBox([key]);
  const sealed = box.seal("whe_1", "whsec_secret");
  expect(() => box.open("whe_2", sealed)).toThrow();
  const changed = Uint8Array.from(sealed.sealed, (byte, index) => (index === 20 ? byte ^ 1 : byte));
  expect(() => box.open("whe_1", { ...sealed, sealed: changed })).toThrow();
  expect(() => createSecretBox([other]).open("whe_1", sealed)).toThrow();
});

test("after a change of the key, secrets sealed before still open, and new ones take the new key", () => {
  const before = createSecretBox([key]).seal("whe_1", "whsec_secret");
  const box = createSecretBox([other, key]);
  expect(box.open("whe_1", before)).toBe("whsec_secret");
  expect(box.seal("whe_1", "whsec_secret").keyId).not.toBe(before.keyId);
});
