import { DomainError, type ErrorCodeName, errorCodes, unavailable } from "@payflow/contracts/errors.ts";
import type { Static, TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { SpanKind, startSpan } from "../telemetry/tracing.ts";

export interface InternalClientOptions {
  /** The other app's name, as a caller may read it in a 503. */
  readonly service: string;
  /** The base URL of the other app's internal port. */
  readonly baseUrl: string;
  /** The installation's `INTERNAL_SERVICE_SECRET`, or what gives a bearer token, asked before each call. */
  readonly secret: string | (() => Promise<string>);
  readonly timeoutMs?: number;
}

export interface InternalCall<T extends TSchema> {
  /** What a good answer looks like; another one counts as the app being unavailable. */
  readonly answer: T;
  readonly timeoutMs?: number;
  readonly requestId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly traceparent?: string;
  /** Of what else this call is made for, where it carries a batch. */
  readonly otherTraceparents?: readonly string[];
  readonly signal?: AbortSignal;
}

export type InternalMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

// Bun's fetch takes HTTP_PROXY from the environment, for loopback too, and nothing but `false`, which its
// types do not know, turns that off: the installation's secrets must not pass through anybody's proxy.
export const direct = { proxy: false } as unknown as { proxy?: string };

/** Calls another app's internal routes. */
export interface InternalClient {
  /**
   * The checked answer. A refusal (4xx) of the other app is thrown as the same `DomainError`; no answer in
   * time, 5xx and an answer of the wrong shape are thrown as `unavailable`. Its `retry-after` comes along.
   */
  call<T extends TSchema>(
    method: InternalMethod,
    path: string,
    body: unknown,
    options: InternalCall<T>,
  ): Promise<Static<T>>;
}

/** Calls the internal routes of one of our services. Fails with `unavailable` when it is away or late. */
export function createInternalClient(client: InternalClientOptions): InternalClient {
  const baseUrl = client.baseUrl.replace(/\/+$/, "");
  const checks = new WeakMap<TSchema, TypeCheck<TSchema>>();

  function isAnswer(schema: TSchema, value: unknown): boolean {
    let check = checks.get(schema);
    if (check === undefined) {
      check = TypeCompiler.Compile(schema);
      checks.set(schema, check);
    }
    return check.Check(value);
  }

  return {
    async call(method, path, body, options) {
      const deadline = AbortSignal.timeout(options.timeoutMs ?? client.timeoutMs ?? 2_000);
      const span = startSpan(
        `${method} ${client.service}`,
        SpanKind.CLIENT,
        options.traceparent,
        options.otherTraceparents,
      );
      let status: number;
      let value: unknown;
      let retryAfter: string | null;
      try {
        const response = await fetch(baseUrl + path, {
          method,
          headers: await headersOf(client, body, { ...options, traceparent: span.traceparent }),
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          redirect: "error",
          ...direct,
          signal: options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]),
        });
        status = response.status;
        retryAfter = response.headers.get("retry-after");
        const text = await response.text();
        value = text === "" ? undefined : JSON.parse(text);
        span.end(undefined, { "http.response.status_code": status }, status >= 500);
      } catch (error) {
        span.end(undefined, {}, true);
        throw unavailable(client.service, 1, error);
      }
      if (status >= 200 && status < 300) {
        // The check has shown the shape that the schema stands for.
        if (isAnswer(options.answer, value)) return value as Static<typeof options.answer>;
        throw unavailable(
          client.service,
          1,
          new Error(`${method} ${path} answered ${status} in another shape`),
        );
      }
      const cause = new Error(`${method} ${path}: ${status}`);
      throw refusalOf(value, status, retryAfter) ?? unavailable(client.service, secondsOf(retryAfter), cause);
    },
  };
}

async function headersOf(client: InternalClientOptions, body: unknown, options: InternalCall<TSchema>) {
  const { secret } = client;
  return {
    ...options.headers,
    ...(typeof secret === "string"
      ? { "x-internal-token": secret }
      : { authorization: `Bearer ${await secret()}` }),
    accept: "application/json",
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...(options.requestId === undefined ? {} : { "request-id": options.requestId }),
    ...(options.traceparent === undefined ? {} : { traceparent: options.traceparent }),
  };
}

/**
 * The refusal that a problem document stands for. A wrong internal secret is ours to mend, never the
 * caller's.
 */
function refusalOf(value: unknown, status: number, retryAfter: string | null): DomainError | undefined {
  if (status < 400 || status >= 500 || status === 401) return undefined;
  // Whatever came is looked at field by field before it is used.
  const problem = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof problem.code !== "string" || !Object.hasOwn(errorCodes, problem.code)) return undefined;
  const detail = typeof problem.detail === "string" ? problem.detail : undefined;
  const errors = Array.isArray(problem.errors) ? problem.errors.filter(isFieldError) : undefined;
  // The registry was just asked whether it holds this code.
  return new DomainError(problem.code as ErrorCodeName, detail, {
    ...(errors === undefined ? {} : { errors }),
    ...(retryAfter === null ? {} : { headers: { "retry-after": retryAfter } }),
  });
}

function secondsOf(retryAfter: string | null): number {
  const seconds = Number(retryAfter ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 1;
}

function isFieldError(value: unknown): value is { pointer: string; message: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "pointer" in value &&
    typeof value.pointer === "string" &&
    "message" in value &&
    typeof value.message === "string"
  );
}
