import { expect, test } from "bun:test";
import type { Rotation } from "../../resources/rotation.ts";
import {
  fingerprintOf,
  issued,
  nextRotation,
  overlapSeconds,
  readSigning,
  reasonToIssue,
  type Signing,
  writtenSigning,
} from "./signing.ts";

const now = new Date("2026-03-01T10:00:00Z");
const later = (hours: number) => new Date(now.getTime() + hours * 3_600_000);
const manual: Rotation = { policy: "Manual", interval: "2160h", overlap: "24h" };
const daily: Rotation = { ...manual, policy: "Scheduled", interval: "24h", overlap: "1h" };

/** What a Secret would hold that was written so. */
function stored(signing: Signing) {
  const { values, annotations } = writtenSigning(signing);
  const given = (pairs: Readonly<Record<string, string | null>>): Record<string, string> =>
    Object.fromEntries(Object.entries(pairs).flatMap(([key, text]) => (text === null ? [] : [[key, text]])));
  return { values: given(values), annotations: given(annotations) };
}
const first = () => issued("Missing", manual, undefined, now);

test("a secret is as Standard Webhooks wants it, and read back as it was written", () => {
  const signing = first();
  expect(signing.current).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(signing.previous).toBeUndefined();
  expect(readSigning(stored(signing))).toEqual(signing);
  expect(first().current).not.toBe(signing.current);
});

test("a secret that was edited or taken out is noticed, and never kept as the previous one", () => {
  const secret = stored(first());
  const edited = { ...secret, values: { ...secret.values, "signing-secret": "whsec_mine" } };
  expect(readSigning(edited)).toBe("Edited");
  const noted = { ...secret.annotations, "payflow.dev/fingerprint": fingerprintOf("whsec_mine") };
  expect(readSigning({ ...edited, annotations: noted })).toBe("Edited");
  const undated = { ...secret.annotations, "payflow.dev/issued-at": "yesterday" };
  expect(readSigning({ ...secret, annotations: undated })).toBe("Edited");
  expect(readSigning({ ...secret, values: {} })).toBe("Missing");
  expect(reasonToIssue("Edited", manual, undefined, now)).toBe("Edited");
  expect(issued("Edited", manual, undefined, now).previous).toBeUndefined();
});

test("a rotation keeps the one before it for the overlap, and not without one", () => {
  const signing = first();
  expect(issued(signing, manual, undefined, later(1)).previous).toBe(signing.current);
  expect(issued(signing, { ...manual, overlap: "0s" }, undefined, later(1)).previous).toBeUndefined();
});

test("the schedule replaces it when the interval is over, Manual never does", () => {
  const signing = first();
  expect(reasonToIssue(signing, manual, undefined, later(100_000))).toBeUndefined();
  expect(nextRotation(signing, manual)).toBeUndefined();
  expect(nextRotation(signing, daily)).toEqual(later(24));
  expect(reasonToIssue(signing, daily, undefined, later(23))).toBeUndefined();
  expect(reasonToIssue(signing, daily, undefined, later(24))).toBe("Scheduled");
  // Another leader's clock may be ahead, but not by years.
  expect(reasonToIssue({ ...signing, issuedAt: later(23) }, daily, undefined, now)).toBeUndefined();
  const never = { ...signing, issuedAt: new Date(8.64e15) };
  expect(reasonToIssue(never, daily, undefined, now)).toBe("Edited");
});

test("each new value of rotate-now is followed once; one that was there from the beginning is not", () => {
  const signing = first();
  expect(reasonToIssue(signing, manual, "a", now)).toBe("Asked");
  const rotated = { ...issued(signing, manual, "a", now), previous: undefined };
  expect(reasonToIssue(rotated, manual, "a", now)).toBeUndefined();
  expect(reasonToIssue(rotated, manual, "b", now)).toBe("Asked");
  expect(reasonToIssue(rotated, manual, undefined, now)).toBeUndefined();
  expect(reasonToIssue(issued("Missing", manual, "a", now), manual, "a", now)).toBeUndefined();
});

test("a rotation waits until the overlap of the one before is over; what was edited is replaced at once", () => {
  const rotated = issued(first(), daily, "a", now);
  expect(reasonToIssue(rotated, daily, "b", later(1))).toBeUndefined();
  expect(reasonToIssue(rotated, daily, "a", later(24))).toBeUndefined();
  const alone = { ...rotated, previous: undefined };
  expect(reasonToIssue(alone, daily, "b", later(1))).toBe("Asked");
  expect(reasonToIssue({ ...rotated, issuedAt: new Date(8.64e15) }, daily, "a", now)).toBe("Edited");
});

test("an overlap counts from the rotation, also where it is changed while it lasts", () => {
  const rotated = issued(first(), manual, "a", now);
  expect(overlapSeconds(rotated, manual, now)).toBe(24 * 3_600);
  expect(overlapSeconds(rotated, manual, later(23))).toBe(3_600);
  expect(overlapSeconds(rotated, { ...manual, overlap: "1h" }, later(2))).toBe(0);
  // Another leader's clock may be ahead.
  expect(overlapSeconds(rotated, manual, later(-1))).toBe(24 * 3_600);
  expect(overlapSeconds({ ...rotated, previous: undefined }, manual, later(48))).toBe(24 * 3_600);
});
