import type { DomainError, ErrorCodeName } from "@payflow/contracts/errors.ts";
import { ApiError } from "../kubernetes/client/api-error.ts";
import { FinalError, type Next, RetryLater } from "../kubernetes/controller/reconciler.ts";
import type { Progress } from "../kubernetes/objects/conditions.ts";

/** What no repetition helps against: somebody has to change something. Shown as Stalled. */
export class Refused extends FinalError {
  override readonly name = "Refused";
  /** One word in capitals, for programs. */
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** An app that cannot be asked, or has something to finish first. Shown as Reconciling. */
export class AppAway extends RetryLater {
  override readonly name = "AppAway";
  readonly reason: string;

  constructor(reason: string, message: string, afterMs: number, options?: ErrorOptions) {
    super(message, afterMs, options);
    this.reason = reason;
  }
}

/** What an app's answer means for a pass; a stale leader is the caller's to see to. */
export function meaningOf(error: DomainError): Error {
  if (error.status === 429 || error.status >= 500) {
    return new AppAway(wordOf(error.reason), error.detail, retryAfterMs(error), { cause: error });
  }
  // What was read was out of date: reading it again is all that helps, as with a conflict of the API server.
  if (error.reason === "stale_generation") return new ApiError(409, "Conflict", error.detail);
  return new Refused(wordOf(error.reason), sentenceOf(error), { cause: error });
}

/** How far an object has come whose pass failed. Says nothing that changes from one try to the next. */
export function progressOfFailure(error: unknown): Progress {
  if (error instanceof Refused) return { state: "stalled", reason: error.reason, message: error.message };
  if (error instanceof AppAway) return { state: "reconciling", reason: error.reason, message: error.message };
  if (error instanceof ApiError) {
    return {
      state: "reconciling",
      reason: "KubernetesRefused",
      message: `The API server answered ${error.status} ${error.reason}; it is tried again.`,
    };
  }
  return {
    state: "reconciling",
    reason: "Failed",
    message: "The last try failed, as the operator's log tells; it is tried again.",
  };
}

/** What is in the way may go without a word to us: somebody's Secret, other objects of the tenant's. */
const unwatched = new Set(["SecretNotOwned", "LimitReached"]);
const unwatchedBackoff = { firstMs: 1_000, maxMs: 60_000 };

/** When an object is looked at again whose pass failed; undefined where that follows from the failure. */
export function nextAfterFailure(error: unknown): Next | undefined {
  if (!(error instanceof Refused) || !unwatched.has(error.reason)) return undefined;
  return { waiting: { reason: error.reason, backoff: unwatchedBackoff } };
}

/** `invalid_state` as `InvalidState`. */
function wordOf(code: ErrorCodeName): string {
  return code.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function sentenceOf({ detail, errors = [] }: DomainError): string {
  // Some say in the sentence itself what is wrong with a field.
  const untold = errors.filter(({ message }) => !detail.includes(message));
  const fields = untold.map(({ pointer, message }) => `${pointer}: ${message}`);
  return [detail, ...fields].join(" ").slice(0, 2_000);
}

function retryAfterMs({ headers }: DomainError): number {
  const seconds = Number(headers["retry-after"]);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 60) * 1_000 : 1_000;
}
