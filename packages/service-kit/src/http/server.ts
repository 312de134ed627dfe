import { Elysia } from "elysia";
import type { Logger } from "../telemetry/logging.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Series } from "../telemetry/timings.ts";
import { traceId } from "../telemetry/traceparent.ts";
import {
  type AccessOptions,
  type Authenticator,
  accessControl,
  type OperatorAuthenticator,
  type RateLimiter,
} from "./access.ts";
import { defaultBodyLimit } from "./body.ts";
import { documentation } from "./documentation.ts";
import { noRoute, problemResponse, toDomainError } from "./problem.ts";
import { type RequestFacts, requestFacts } from "./request.ts";

export interface HttpOptions extends Partial<AccessOptions> {
  readonly service: string;
  /** The API's name in its document. */
  readonly title: string;
  /** What readers of its document must know besides the routes, in paragraphs. */
  readonly about?: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Whether `/openapi.json` and `/docs` are served: on public ports. */
  readonly isDocumented?: boolean;
}

/** What every app's public API needs besides its own use cases. */
export interface PublicParts {
  readonly authenticator: Authenticator;
  readonly rateLimiter?: RateLimiter;
  readonly adminToken: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What every app's internal API needs besides its own use cases. */
export interface InternalParts {
  readonly internalSecret: string;
  /** Where the operator has a token of its own. */
  readonly operator?: OperatorAuthenticator | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export type Http = ReturnType<typeof createHttp>;

/**
 * The HTTP conventions of every app of ours, for its public port. `app()` is the root, `routes()` a folder's
 * routes.
 */
export function createHttp(options: HttpOptions) {
  const access = accessControl({ bodyLimit: defaultBodyLimit, ...options });
  const observe = requestMetrics(options.metrics);
  return {
    options,
    /** A plugin for one noun's routes, with the `access` macro. */
    routes: (name: string) => new Elysia({ name, normalize: false }).use(access),
    /** The root: request ids, problems, metrics, and the API's document. Routes are added with `.use`. */
    app: () => {
      const root = new Elysia({
        normalize: false,
        strictPath: true,
        name: options.service,
        // Otherwise a host of less than four characters, such as a service called `pay`, finds no route.
        handler: { standardHostname: false },
      })
        .onRequest(({ request, set }) => {
          set.headers["request-id"] = requestFacts(request).requestId;
        })
        // Elysia's own parsers would read a body before anybody asked who sends it: `access` reads it.
        .onParse({ as: "global" }, () => null)
        .onBeforeHandle({ as: "global" }, ({ request, set }) => {
          const { headers } = requestFacts(request);
          if (headers !== undefined) Object.assign(set.headers, headers);
        })
        .onError({ as: "global" }, ({ error, code, request, set }) => {
          const facts = requestFacts(request);
          const refusal =
            code === "NOT_FOUND" ? noRoute(options.service, request) : toDomainError(error, code);
          set.status = refusal.status;
          if (refusal.status >= 500) reportRefusal(options.logger, request, facts, refusal);
          return problemResponse(refusal, facts.requestId, facts.headers);
        })
        .onAfterResponse({ as: "global" }, ({ request, route, set, responseValue }) => {
          const status = responseValue instanceof Response ? responseValue.status : Number(set.status ?? 200);
          observe(request, requestFacts(request), route, status);
        });
      return options.isDocumented === false ? root : root.use(documentation(options));
    },
  };
}

/** The same conventions for an internal port: every route takes the installation's internal secret. */
export function createInternalHttp(options: HttpOptions & { readonly internalSecret: string }): Http {
  return createHttp({ ...options, isDocumented: false, bodyLimit: 4 * 1024 * 1024 });
}

/** Logs why a request was answered with 5xx; what was logged is found by the answer's request id. */
export function reportRefusal(
  logger: Logger,
  request: Request,
  facts: RequestFacts,
  refusal: { reason: string; cause?: unknown },
): void {
  const about = {
    request_id: facts.requestId,
    trace_id: traceId(facts.traceparent),
    tenant_id: facts.tenant?.tenantId,
    method: request.method,
    // With a `Host` that is no host the URL cannot be read.
    path: URL.parse(request.url)?.pathname,
    err: refusal.cause,
  };
  if (refusal.reason === "internal_error") logger.error(about, "a request failed for a reason of our own");
  else logger.warn(about, "a request was refused because a dependency is away");
}

/** Counts and times answered requests, and ends their spans. */
export function requestMetrics(metrics: Metrics) {
  const timings = metrics.timings("payflow_http_request_seconds", "Time to answer a request.");
  const byRoute = new Map<string, Map<number, Series>>();
  const seriesOf = (method: string, route: string, status: number) => {
    const place = `${method} ${route}`;
    const byStatus = byRoute.get(place) ?? new Map<number, Series>();
    const known = byStatus.get(status);
    if (known !== undefined) return known;
    const series = timings.series({ method, route, status });
    byRoute.set(place, byStatus.set(status, series));
    return series;
  };
  return (request: Request, facts: RequestFacts, path: string | undefined, status: number) => {
    const route = path === undefined || path === "" ? "none" : path;
    seriesOf(request.method, route, status).observe((performance.now() - facts.startedAt) / 1_000);
    facts.endSpan(route, status);
  };
}
