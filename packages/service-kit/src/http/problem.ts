import { DomainError, type ErrorCodeName, errorCodes, type FieldError } from "@payflow/contracts/errors.ts";
import { noControl } from "@payflow/contracts/fields.ts";
import { ValidationError } from "elysia";
import { isOutage } from "../store/database.ts";

/** RFC 9457 problem details, as every error answer of ours. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCodeName;
  readonly request_id: string;
  readonly errors?: readonly FieldError[];
}

/**
 * The error as a refusal with a code. What is not a refusal of ours becomes `unavailable` or
 * `internal_error`.
 */
export function toDomainError(error: unknown, kind: string | number): DomainError {
  if (error instanceof DomainError) return error;
  if (error instanceof ValidationError) return fromValidation(error);
  if (kind === "PARSE") return new DomainError("invalid_json");
  if (isOutage(error)) {
    return new DomainError("unavailable", undefined, { headers: { "retry-after": "1" }, cause: error });
  }
  return new DomainError("internal_error", undefined, { cause: error });
}

/** As much of a path as an answer repeats. */
const maxShownPath = 200;

/** The refusal of a path that the app does not have; it names the app, since each has a port of its own. */
export function noRoute(app: string, request: Request): DomainError {
  // With a `Host` that is no host the URL cannot be read.
  const path = URL.parse(request.url)?.pathname.slice(0, maxShownPath) ?? "with this address";
  return new DomainError("not_found", `This is the ${app} app; no route ${request.method} ${path} here.`);
}

/** The answer that carries a refusal. */
export function problemResponse(
  error: DomainError,
  requestId: string,
  headers: Record<string, string> = {},
): Response {
  const problem: Problem = {
    type: `https://payflow.dev/errors/${error.reason}`,
    title: errorCodes[error.reason].title,
    status: error.status,
    detail: error.detail,
    code: error.reason,
    request_id: requestId,
    ...(error.errors === undefined ? {} : { errors: error.errors }),
  };
  return new Response(JSON.stringify(problem), {
    status: error.status,
    headers: {
      ...headers,
      ...error.headers,
      // RFC 9110, 11.6.1, wants every 401 to name a scheme.
      ...(error.status === 401 ? { "www-authenticate": "Bearer" } : {}),
      "content-type": "application/problem+json",
      "request-id": requestId,
    },
  });
}

/** At most this many fields are named, whatever the body holds. */
const maxFieldErrors = 50;

function fromValidation(error: ValidationError): DomainError {
  if (error.type === "response") return new DomainError("internal_error", undefined, { cause: error });
  const prefix = error.type === "body" ? "" : `#/${error.type}`;
  const found = new Map<string, FieldError>();
  for (const one of error.all) {
    if (found.size >= maxFieldErrors) break;
    // Elysia's type of a problem is wider than what TypeBox reports.
    if (!("path" in one)) continue;
    const pointer = `${prefix}${one.path}`;
    if (!found.has(pointer)) found.set(pointer, { pointer, message: sentence(one as SchemaProblem) });
  }
  return new DomainError("invalid_request", undefined, { errors: [...found.values()] });
}

interface SchemaProblem {
  readonly message?: string;
  readonly schema?: {
    readonly anyOf?: readonly { const?: unknown }[];
    readonly format?: string;
    readonly pattern?: string;
    /** What the pattern demands, in words; only for schemas that no API document shows. */
    readonly expected?: string;
    readonly [keyword: string]: unknown;
  };
}

/** What is wrong with a field, for people. */
export function sentence(problem: SchemaProblem): string {
  const choices = problem.schema?.anyOf?.map((one) => one.const).filter((one) => one !== undefined) ?? [];
  if (choices.length > 0) return `Expected one of ${choices.join(", ")}`;
  if (problem.schema?.format === "currency") return "Expected a current ISO 4217 code in upper case";
  const { message = "Not valid" } = problem;
  if (message.startsWith("Expected string to match")) {
    if (problem.schema?.pattern === noControl) return "Expected text without control characters";
    if (problem.schema?.expected !== undefined) return `Expected ${problem.schema.expected}`;
  }
  return message;
}
