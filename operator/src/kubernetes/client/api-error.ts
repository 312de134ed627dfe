/** The parts of the API server's `Status` that a caller can act on. */
interface Status {
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly details?: { readonly retryAfterSeconds?: number };
}

/** An answer of the API server that is no success. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** The API server's word for it: `NotFound`, `Conflict`, `AlreadyExists`, `Expired`, `Forbidden`, … */
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }

  /** From the body of an answer, or of an ERROR event of a watch; `request` says what had been asked. */
  static from(status: number, body: unknown, request: string, retryAfterMs?: number): ApiError {
    // Every field is optional, so that any object fits; anything else tells nothing.
    const told = typeof body === "object" && body !== null ? (body as Status) : {};
    const reason = told.reason ?? `Status${status}`;
    const seconds = told.details?.retryAfterSeconds;
    const afterMs = retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1_000);
    return new ApiError(
      told.code ?? status,
      reason,
      `${request}: ${told.message ?? reason} (${status})`,
      afterMs,
    );
  }
}

/** Whether the API server answered with this status. */
export function hasStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}

/**
 * Whether somebody else changed the object since it was read: reading it anew and deciding again is all that
 * is needed.
 */
export function isConflict(error: unknown): boolean {
  return hasStatus(error, 409) && error.reason !== "AlreadyExists";
}
