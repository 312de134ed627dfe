/** What a code means to a caller: HTTP status, short title and what to do about it. */
export interface ErrorCode {
  readonly status: number;
  readonly title: string;
  readonly description: string;
}

/** The one registry of error codes; `docs/errors.md` is generated from it. */
export const errorCodes = {
  invalid_json: {
    status: 400,
    title: "The body is not JSON",
    description: "Send a JSON document in UTF-8 as the request body.",
  },
  invalid_request: {
    status: 400,
    title: "The request has wrong or unknown fields",
    description: "Each field to correct is named in `errors` by its JSON pointer.",
  },
  invalid_cursor: {
    status: 400,
    title: "The cursor is not valid here",
    description: "Use `next_cursor` of an answer given to the same tenant, mode and list, unchanged.",
  },
  idempotency_key_required: {
    status: 400,
    title: "The Idempotency-Key header is missing or malformed",
    description: "Send 1 to 255 visible ASCII characters, a new value for each new intention.",
  },
  invalid_api_key: {
    status: 401,
    title: "The key is missing or not valid",
    description: "Send an active API key in `x-api-key`, or as a Bearer token.",
  },
  invalid_admin_token: {
    status: 401,
    title: "The admin token is missing or not valid",
    description: "This route is for the platform's owner: send the admin token as a Bearer token.",
  },
  invalid_internal_token: {
    status: 401,
    title: "The internal token is missing or not valid",
    description: "Internal routes are for this installation's own services.",
  },
  invalid_operator_token: {
    status: 401,
    title: "The operator's token is missing or not valid",
    description:
      "This route is for the operator: send its ServiceAccount token, made for PayFlow's audience.",
  },
  tenant_suspended: {
    status: 403,
    title: "The tenant is suspended",
    description: "Ask the platform's owner to resume the tenant.",
  },
  insufficient_scope: {
    status: 403,
    title: "The key lacks a scope",
    description: "Use a key that has the scope named in `detail`.",
  },
  not_found: {
    status: 404,
    title: "There is no such object",
    description: "There is no such path, id or name, or none for this tenant and mode.",
  },
  invalid_state: {
    status: 409,
    title: "The object's state does not allow this",
    description: "Read the object; `detail` names its state or the operation that is still open.",
  },
  idempotency_in_progress: {
    status: 409,
    title: "The first request with this key is still open",
    description: "Wait for `Retry-After` and repeat the same request with the same key.",
  },
  limit_reached: {
    status: 409,
    title: "The tenant has as many of these as it may have",
    description: "Delete one that is no longer used.",
  },
  managed_by_kubernetes: {
    status: 409,
    title: "A Kubernetes resource governs this object",
    description: "Change the resource; the operator carries the change over.",
  },
  governed_by_another: {
    status: 409,
    title: "Another resource governs this object",
    description: "An object belongs to the resource it was made for; `detail` names that resource.",
  },
  stale_leader: {
    status: 409,
    title: "Another operator leads by now",
    description: "Stop writing: a newer holder of the Lease has written since.",
  },
  stale_generation: {
    status: 409,
    title: "The resource has been changed since",
    description: "Read the resource again and send its present generation.",
  },
  tenant_has_payments: {
    status: 409,
    title: "The tenant has live payments",
    description: "A tenant with live payments is not purged: archive or retain it.",
  },
  payload_too_large: {
    status: 413,
    title: "The body is too large",
    description: "Keep the body within the limit named in `detail`.",
  },
  unsupported_media_type: {
    status: 415,
    title: "The content type is not supported",
    description: "Send one of the content types, or encodings, named in `detail`; JSON everywhere.",
  },
  event_conflict: {
    status: 409,
    title: "The event's id was used for another event",
    description: "Send the same event again, or a new one under an id of its own.",
  },
  too_many_merchants: {
    status: 422,
    title: "The tenant has as many merchants as it may have",
    description: "Send events of merchants already known, or ask the platform's owner for more.",
  },
  amount_over_limit: {
    status: 422,
    title: "The amount is over the tenant's maximum",
    description: "Pay a smaller amount, or ask the platform's owner for a higher maximum.",
  },
  immutable_field: {
    status: 422,
    title: "A field that never changes is to be changed",
    description: "Fields to set back are named in `errors`; make a new resource for other values.",
  },
  policy_test_failed: {
    status: 422,
    title: "The policy fails its own tests",
    description: "Correct the rules or the tests named in `errors`; the policy in force stays.",
  },
  idempotency_key_reused: {
    status: 422,
    title: "The key was used for another request",
    description: "Fields that differ from the first request are named in `errors`; use a new key.",
  },
  refund_exceeds_captured: {
    status: 422,
    title: "The refund is more than what is left",
    description: "Refund at most the captured amount less all refunds made or under way.",
  },
  capture_exceeds_authorized: {
    status: 422,
    title: "The capture is more than what was authorized",
    description: "Capture at most the amount of the payment.",
  },
  rate_limited: {
    status: 429,
    title: "Too many requests",
    description: "Wait for `Retry-After`; `RateLimit` says what is left.",
  },
  allowance_exhausted: {
    status: 429,
    title: "The month's events are used up",
    description: "Wait for `Retry-After`, which is the next month, or ask the platform's owner for more.",
  },
  internal_error: {
    status: 500,
    title: "Something went wrong on our side",
    description: "Quote the request id to the platform's owner. Repeating with the same key is safe.",
  },
  unavailable: {
    status: 503,
    title: "A dependency is not available",
    description: "Wait for `Retry-After` and repeat the request with the same key.",
  },
} as const satisfies Record<string, ErrorCode>;

export type ErrorCodeName = keyof typeof errorCodes;

/** One field that is wrong: RFC 6901 pointer into the body, or `#/query/…`, and a sentence. */
export interface FieldError {
  readonly pointer: string;
  readonly message: string;
}

export interface DomainErrorOptions {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/**
 * A refusal that the caller can act on, with a code of the registry. A declined card is a result, not an
 * error, and a broken invariant is a plain `Error`.
 */
export class DomainError extends Error {
  // Not named `code`: Elysia takes an error's own `code` for the name of the error's kind.
  readonly reason: ErrorCodeName;
  readonly detail: string;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(reason: ErrorCodeName, detail?: string, options: DomainErrorOptions = {}) {
    super(`${reason}: ${detail ?? errorCodes[reason].title}`, { cause: options.cause });
    this.name = "DomainError";
    this.reason = reason;
    this.detail = detail ?? errorCodes[reason].description;
    this.errors = options.errors;
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return errorCodes[this.reason].status;
  }
}

/** The refusal for a dependency that is away; `retryAfterSeconds` becomes `Retry-After`. */
export function unavailable(what: string, retryAfterSeconds = 1, cause?: unknown): DomainError {
  return new DomainError("unavailable", `${what} is not available at the moment.`, {
    headers: { "retry-after": String(retryAfterSeconds) },
    cause,
  });
}
