import { wholeSeconds } from "./object-time.ts";

export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly observedGeneration: number;
  /** RFC 3339, in whole seconds as the API conventions want it. */
  readonly lastTransitionTime: string;
  /** One word in capitals, for programs. */
  readonly reason: string;
  /** A sentence, for people. */
  readonly message: string;
}

/** What is said of a condition; its generation and time come from where it is set. */
export interface Finding {
  readonly type: string;
  readonly status: Condition["status"];
  readonly reason: string;
  readonly message: string;
}

/** How far an object has come, from which the three conditions that kstatus reads follow. */
export interface Progress {
  readonly state: "ready" | "reconciling" | "stalled";
  readonly reason: string;
  readonly message: string;
}

/**
 * Ready, Reconciling and Stalled as kstatus reads them: of the last two at most one is true, and neither once
 * the object is ready. Stalled says that nothing goes on before somebody changes something.
 */
export function progressFindings(progress: Progress): Finding[] {
  const { state, reason, message } = progress;
  const finding = (type: string, isTrue: boolean): Finding => ({
    type,
    status: isTrue ? "True" : "False",
    reason,
    message: isTrue || type === "Ready" ? message : "",
  });
  return [
    finding("Ready", state === "ready"),
    finding("Reconciling", state === "reconciling"),
    finding("Stalled", state === "stalled"),
  ];
}

/**
 * The conditions with these findings in them. A condition keeps its transition time while its status stays;
 * where nothing changes the very same list is returned, so that nothing has to be written.
 */
export function withFindings(
  conditions: readonly Condition[],
  findings: readonly Finding[],
  observedGeneration: number,
  now: Date,
): readonly Condition[] {
  const changed = new Map(conditions.map((condition) => [condition.type, condition]));
  let hasChanged = false;
  for (const finding of findings) {
    const known = changed.get(finding.type);
    if (known !== undefined && isSaid(known, finding, observedGeneration)) continue;
    const isSameStatus = known?.status === finding.status;
    changed.set(finding.type, {
      type: finding.type,
      status: finding.status,
      observedGeneration,
      lastTransitionTime: isSameStatus ? known.lastTransitionTime : wholeSeconds(now),
      reason: finding.reason,
      message: finding.message,
    });
    hasChanged = true;
  }
  return hasChanged ? [...changed.values()] : conditions;
}

function isSaid(known: Condition, finding: Finding, observedGeneration: number): boolean {
  return (
    known.status === finding.status &&
    known.reason === finding.reason &&
    known.message === finding.message &&
    known.observedGeneration === observedGeneration
  );
}
