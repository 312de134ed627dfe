import type { TenantContext } from "@payflow/contracts/access.ts";
import { newRequestId } from "@payflow/contracts/ids.ts";
import { isTracing, SpanKind, startSpan, type Traced } from "../telemetry/tracing.ts";

const acceptable = /^[A-Za-z0-9_.-]{1,64}$/;

/** What the kit knows of a request under way. */
export class RequestFacts {
  readonly requestId: string;
  readonly startedAt = performance.now();
  tenant?: TenantContext;
  /** Set on the response, whatever becomes of the request. */
  headers?: Record<string, string>;
  readonly #request: Request;
  #span: Traced | undefined;

  /** A well-formed `Request-Id` of the caller's is kept. */
  constructor(request: Request) {
    const given = request.headers.get("request-id");
    this.requestId = given !== null && acceptable.test(given) ? given : newRequestId();
    this.#request = request;
    // Where no spans are exported, the trace's context is made only for those who hand it on.
    if (isTracing()) this.#span = this.#startSpan();
  }

  /** To hand on to whatever the request causes. */
  get traceparent(): string {
    this.#span ??= this.#startSpan();
    return this.#span.traceparent;
  }

  /** Ends the request's span, by the route that answered and the answer's status. */
  endSpan(route: string, status: number): void {
    if (this.#span === undefined) return;
    const { method } = this.#request;
    const attributes = {
      "http.request.method": method,
      "http.route": route,
      "http.response.status_code": status,
    };
    this.#span.end(`${method} ${route}`, attributes, status >= 500);
  }

  #startSpan(): Traced {
    const { method, headers } = this.#request;
    return startSpan(method, SpanKind.SERVER, headers.get("traceparent"));
  }
}

const facts = new WeakMap<Request, RequestFacts>();

/** The facts of a request; made at its first use. */
export function requestFacts(request: Request): RequestFacts {
  const known = facts.get(request);
  if (known !== undefined) return known;
  const made = new RequestFacts(request);
  facts.set(request, made);
  return made;
}
