import type { TenantContext } from "@payflow/contracts/access.ts";
import { newRequestId } from "@payflow/contracts/ids.ts";
import { SpanKind, startSpan, type Traced } from "../telemetry/tracing.ts";

/** What the kit knows of a request under way. */
export interface RequestFacts {
  readonly requestId: string;
  readonly traceparent: string;
  readonly span: Traced;
  readonly startedAt: number;
  tenant?: TenantContext;
  /** Set on the response, whatever becomes of the request. */
  headers?: Record<string, string>;
}

const facts = new WeakMap<Request, RequestFacts>();
const acceptable = /^[A-Za-z0-9_.-]{1,64}$/;

/** The facts of a request; made at its first use. A well-formed `Request-Id` of the caller's is kept. */
export function requestFacts(request: Request): RequestFacts {
  const known = facts.get(request);
  if (known !== undefined) return known;
  const given = request.headers.get("request-id");
  const span = startSpan(request.method, SpanKind.SERVER, request.headers.get("traceparent"));
  const made: RequestFacts = {
    requestId: given !== null && acceptable.test(given) ? given : newRequestId(),
    traceparent: span.traceparent,
    span,
    startedAt: performance.now(),
  };
  facts.set(request, made);
  return made;
}
