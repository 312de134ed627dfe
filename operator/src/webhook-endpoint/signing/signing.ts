import { createHash } from "node:crypto";
import type { OwnedSecret, SecretChange } from "../../keys/owned-secret.ts";
import { isCredible } from "../../keys/secret.ts";
import { durationSeconds } from "../../resources/duration.ts";
import type { Rotation } from "../../resources/rotation.ts";

const currentEntry = "signing-secret";
const previousEntry = "signing-secret-previous";

/** What a Secret of ours tells beside its entries, in the same write as these. */
const issuedAtAnnotation = "payflow.dev/issued-at";
const fingerprintAnnotation = "payflow.dev/fingerprint";
const rotatedForAnnotation = "payflow.dev/rotated-for";
/** What `newSigningSecret` makes, as Standard Webhooks has it: `whsec_` and base64 of 32 bytes. */
const secretForm = /^whsec_[A-Za-z0-9+/]{43}=$/;

/** A signing secret and what is known of its coming into use. */
export interface Signing {
  readonly current: string;
  /** Messages are signed with it too for the overlap. */
  readonly previous: string | undefined;
  readonly issuedAt: Date;
  /** The value of the annotation rotate-now that was followed last. */
  readonly rotatedFor: string | undefined;
}

/** Why a new secret is made. */
export type IssueReason = "Missing" | "Edited" | "Asked" | "Scheduled";

/** The first 16 hex digits of a secret's SHA-256: what a secret is told apart by without showing it. */
export function fingerprintOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex").slice(0, 16);
}

/** What the Secret holds; "Missing" or "Edited" where that is not what we have written. */
export function readSigning({
  values,
  annotations,
}: Pick<OwnedSecret, "values" | "annotations">): Signing | "Missing" | "Edited" {
  const current = values[currentEntry];
  if (current === undefined) return "Missing";
  const issuedAt = new Date(annotations[issuedAtAnnotation] ?? "");
  const isNoted = annotations[fingerprintAnnotation] === fingerprintOf(current);
  // Whoever changes the note as well may still have written what nothing can be signed with.
  if (!isNoted || !secretForm.test(current) || Number.isNaN(issuedAt.getTime())) return "Edited";
  const previous = values[previousEntry];
  return { current, previous, issuedAt, rotatedFor: annotations[rotatedForAnnotation] };
}

/** What makes a Secret hold this and nothing else of ours. */
export function writtenSigning({ current, previous, issuedAt, rotatedFor }: Signing): Required<SecretChange> {
  return {
    values: { [currentEntry]: current, [previousEntry]: previous ?? null },
    annotations: {
      [issuedAtAnnotation]: issuedAt.toISOString(),
      [fingerprintAnnotation]: fingerprintOf(current),
      [rotatedForAnnotation]: rotatedFor ?? null,
    },
  };
}

/** When it is to be replaced by schedule; undefined where there is none. */
export function nextRotation({ issuedAt }: Pick<Signing, "issuedAt">, rotation: Rotation): Date | undefined {
  if (rotation.policy !== "Scheduled") return undefined;
  return new Date(issuedAt.getTime() + durationSeconds(rotation.interval) * 1_000);
}

/**
 * Why what is held has to be replaced; undefined where it stays. `asked` is the value of rotate-now. What is
 * asked for or due waits until the overlap of the one before is over, which was promised.
 */
export function reasonToIssue(
  held: Signing | "Missing" | "Edited",
  rotation: Rotation,
  asked: string | undefined,
  now: Date,
): IssueReason | undefined {
  if (typeof held === "string") return held;
  if (!isCredible(held.issuedAt, now)) return "Edited";
  if (held.previous !== undefined) return undefined;
  if (isAskedFor(held, asked)) return "Asked";
  const due = nextRotation(held, rotation);
  return due !== undefined && due <= now ? "Scheduled" : undefined;
}

/** Whether rotate-now asks for a secret that was not made yet. */
export function isAskedFor({ rotatedFor }: Pick<Signing, "rotatedFor">, asked: string | undefined): boolean {
  return asked !== undefined && asked !== rotatedFor;
}

/** For how many seconds from now on the one before is to sign too, counted from when this one was made. */
export function overlapSeconds({ previous, issuedAt }: Signing, { overlap }: Rotation, now: Date): number {
  const whole = durationSeconds(overlap);
  if (previous === undefined) return whole;
  const leftMs = issuedAt.getTime() + whole * 1_000 - now.getTime();
  return Math.min(whole, Math.max(0, Math.ceil(leftMs / 1_000)));
}

/** What takes the place of what was held. What somebody has edited is no secret of ours, and not kept. */
export function issued(
  held: Signing | "Missing" | "Edited",
  rotation: Rotation,
  asked: string | undefined,
  now: Date,
): Signing {
  const hasOverlap = durationSeconds(rotation.overlap) > 0;
  return {
    current: newSigningSecret(),
    previous: typeof held === "string" || !hasOverlap ? undefined : held.current,
    issuedAt: now,
    rotatedFor: asked,
  };
}

function newSigningSecret(): string {
  return `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;
}
