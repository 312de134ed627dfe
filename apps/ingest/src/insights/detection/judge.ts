/** What is known of a processor in a span: payments that ended, and how many of these failed. */
export interface Sample {
  readonly outcomes: number;
  readonly failures: number;
}

/** From what on a processor counts as degraded. */
export interface Thresholds {
  /** The fewest outcomes a sample must have to be judged at all. */
  readonly leastOutcomes: number;
  /** By how much the failure rate must have risen above its usual, from 0 to 1. */
  readonly rise: number;
  /** How many standard errors that rise must be. */
  readonly deviations: number;
  /** The failure rate that is too high where no usual one is known, from 0 to 1. */
  readonly alone: number;
}

/** A processor in trouble: since when, and how it is known to be out of it. */
export interface Degraded {
  /** The minute since 1970 at whose beginning it was judged so. */
  readonly since: number;
  /** What was usual before; null where too little was known. Later figures do not move it. */
  readonly baseline: Sample | null;
  /** At this failure rate or below it has recovered: halfway back, so that it does not come and go. */
  readonly recoversAt: number;
}

export type Verdict =
  | { readonly kind: "unchanged" }
  | { readonly kind: "degraded"; readonly state: Degraded }
  | { readonly kind: "recovered"; readonly reason: RecoveryReason };

/** `rate`: its failures fell. `quiet`: too few payments reach it to say anything more of it. */
export type RecoveryReason = "rate" | "quiet";

/**
 * Judges a processor by its last minutes against the hour before them. It degrades when its failure rate has
 * risen by `rise` at least, and the rise is `deviations` standard errors of a one-sided two-proportion z-test
 * with pooled variance; without enough of a past, when the rate reaches `alone`. It recovers when the rate is
 * back halfway to where it came from, or when both spans together are too few to judge.
 */
export function judge(
  state: Degraded | undefined,
  now: Sample,
  before: Sample,
  thresholds: Thresholds,
  minute: number,
): Verdict {
  const { leastOutcomes, rise, deviations, alone } = thresholds;
  if (state !== undefined) {
    if (now.outcomes + before.outcomes < leastOutcomes) return { kind: "recovered", reason: "quiet" };
    if (now.outcomes < leastOutcomes || failureRate(now) > state.recoversAt) return { kind: "unchanged" };
    return { kind: "recovered", reason: "rate" };
  }
  if (now.outcomes < leastOutcomes) return { kind: "unchanged" };
  if (before.outcomes < leastOutcomes) {
    if (failureRate(now) < alone) return { kind: "unchanged" };
    return { kind: "degraded", state: { since: minute, baseline: null, recoversAt: alone / 2 } };
  }
  const usual = failureRate(before);
  if (failureRate(now) - usual < rise || zScore(now, before) < deviations) return { kind: "unchanged" };
  return { kind: "degraded", state: { since: minute, baseline: before, recoversAt: usual + rise / 2 } };
}

/** Failures as a share of outcomes, 0 where there are none. */
export function failureRate({ outcomes, failures }: Sample): number {
  return outcomes === 0 ? 0 : failures / outcomes;
}

/**
 * By how many standard errors the first failure rate is above the second, if both were one rate: the
 * two-proportion z-test with pooled variance. Of two equal rates it is 0.
 */
export function zScore(now: Sample, before: Sample): number {
  const difference = failureRate(now) - failureRate(before);
  if (difference === 0) return 0;
  const pooled = (now.failures + before.failures) / (now.outcomes + before.outcomes);
  return difference / Math.sqrt(pooled * (1 - pooled) * (1 / now.outcomes + 1 / before.outcomes));
}
