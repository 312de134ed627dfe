import { expect, test } from "bun:test";
import { evenShare } from "./even-share.ts";

test("all members together have each part once, and none has two more than another", () => {
  for (let count = 0; count <= 16; count += 1) {
    for (let size = 1; size <= 7; size += 1) {
      const members = Array.from({ length: size }, (_, index) => `member-${6 - index}`);
      const shares = members.map((member) => evenShare(count, members, member, count));
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(count);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }
  }
});

test("with a rotation others have the one more", () => {
  const members = ["a", "b", "c"];
  const favoured = [0, 1, 2].map((rotation) =>
    members.filter((one) => evenShare(4, members, one, rotation) === 2),
  );
  expect(favoured).toEqual([["a"], ["c"], ["b"]]);
});
