import type { Scope, TenantContext } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { bearer, type KnownKey, requireScope } from "./access.ts";
import type { LateAnswers } from "./late-answers.ts";
import { problemResponse, toDomainError } from "./problem.ts";
import { RequestFacts, requestFacts } from "./request.ts";
import { type HttpOptions, reportRefusal, requestMetrics } from "./server.ts";

/** What a direct route answers: JSON text, sent as it is. */
export interface DirectAnswer {
  readonly status: number;
  readonly json: string;
}

/**
 * A POST route that reads its request by itself and takes from rates of its own: for what is asked tens of
 * thousands of times a second, where the framework's way costs more than the work. Decision 0016.
 */
export interface DirectRoute {
  readonly path: string;
  readonly scope: Scope;
  /** Answers a key that has the scope. Headers that it leaves in the facts go out with any answer. */
  answer(request: Request, facts: RequestFacts, tenant: TenantContext): Promise<DirectAnswer>;
}

/**
 * Answers requests of direct routes; undefined for all others, which the app answers. What `late` is given is
 * answered in time.
 */
export type Door = (request: Request, late?: LateAnswers) => Promise<Response> | Response | undefined;

/**
 * Answers a direct route's request: who calls, whether the key has the scope, then the route. The app's own
 * handler of the route calls it, and the door does the same, so that there is one way only. Throws, or
 * rejects with, refusals.
 */
export function answerDirectly(
  options: Pick<HttpOptions, "authenticator">,
  route: DirectRoute,
  request: Request,
): Promise<Response> {
  const facts = requestFacts(request);
  return askRoute(options, route, request, facts).then((answer) => toResponse(answer, facts));
}

function askRoute(
  { authenticator }: Pick<HttpOptions, "authenticator">,
  route: DirectRoute,
  request: Request,
  facts: RequestFacts,
): Promise<DirectAnswer> {
  const key = request.headers.get("x-api-key") ?? bearer(request);
  if (key === null || authenticator === undefined) throw new DomainError("invalid_api_key");
  const known = authenticator.recall?.(key);
  if (known !== undefined) return askAs(route, request, facts, known);
  return authenticator.authenticate(key).then((asked) => askAs(route, request, facts, asked));
}

function askAs(
  route: DirectRoute,
  request: Request,
  facts: RequestFacts,
  known: KnownKey,
): Promise<DirectAnswer> {
  const tenant = { ...known, requestId: facts.requestId };
  facts.tenant = tenant;
  requireScope(known, route.scope);
  refuseQuery(request.url);
  return route.answer(request, facts, tenant);
}

function toResponse({ status, json }: DirectAnswer, facts: RequestFacts): Response {
  return new Response(json, { status, headers: headersOf(facts) });
}

/** Headers that answers share, by the policy of their rate. */
const byPolicy = new Map<string, Headers>();
const maxPolicies = 1_000;

/**
 * The headers of an answer. A response copies those of its policy, in which only two are written anew: that
 * takes half as long as to read them from an object of its own.
 */
function headersOf({ requestId, headers = {} }: RequestFacts): Headers | Record<string, string> {
  const { "ratelimit-policy": policy, ratelimit } = headers;
  if (policy === undefined || ratelimit === undefined || Object.keys(headers).length > 2) {
    return { ...headers, "content-type": "application/json", "request-id": requestId };
  }
  let shared = byPolicy.get(policy);
  if (shared === undefined) {
    if (byPolicy.size >= maxPolicies) byPolicy.clear();
    shared = new Headers({ "content-type": "application/json", "ratelimit-policy": policy });
    byPolicy.set(policy, shared);
  }
  shared.set("request-id", requestId);
  shared.set("ratelimit", ratelimit);
  return shared;
}

function refuseQuery(url: string): void {
  const start = url.indexOf("?");
  if (start === -1) return;
  const names = new Set(new URLSearchParams(url.slice(start)).keys());
  const errors = [...names].map((name) => ({
    pointer: `#/query/${name.slice(0, 200)}`,
    message: "Unexpected property",
  }));
  if (errors.length > 0) throw new DomainError("invalid_request", undefined, { errors: errors.slice(0, 50) });
}

/** A request on its way through the door. */
interface Passage {
  readonly request: Request;
  readonly route: DirectRoute;
  readonly facts: RequestFacts;
  readonly late: LateAnswers | undefined;
  readonly resolve: (response: Response) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The way to direct routes past the framework, with the same answers, metrics and spans. The requests that
 * arrive in one turn of the event loop are answered one after the other at its end, when all of them were
 * read: what each step of an answer needs is at hand then for the next request, which is worth a tenth.
 */
export function createDoor(options: HttpOptions, routes: readonly DirectRoute[]): Door {
  const observe = requestMetrics(options.metrics);
  const byPath = new Map(routes.map((route) => [route.path, route]));
  const answer = ({ request, route, facts, late, resolve }: Passage) => {
    const waiting = late?.begin(facts, resolve);
    const end = (response: Response) => {
      if (waiting !== undefined) late?.end(waiting);
      observe(request, facts, route.path, response.status);
      resolve(response);
    };
    const refuse = (error: unknown) => {
      const refusal = toDomainError(error, "UNKNOWN");
      if (refusal.status >= 500) reportRefusal(options.logger, request, facts, refusal);
      end(problemResponse(refusal, facts.requestId, facts.headers));
    };
    try {
      askRoute(options, route, request, facts).then((direct) => end(toResponse(direct, facts)), refuse);
    } catch (error) {
      refuse(error);
    }
  };
  let arrived: Passage[] = [];
  const answerAll = () => {
    const all = arrived;
    arrived = [];
    for (const passage of all) {
      try {
        answer(passage);
      } catch (error) {
        // A fault of one request is none of the others'.
        passage.reject(error);
      }
    }
  };
  return (request, late) => {
    const route = request.method === "POST" ? byPath.get(pathOf(request.url)) : undefined;
    if (route === undefined) return undefined;
    return new Promise((resolve, reject) => {
      // Nobody else asks for the facts, so that the table by which others find them is spared.
      arrived.push({ request, route, facts: new RequestFacts(request), late, resolve, reject });
      if (arrived.length === 1) setImmediate(answerAll);
    });
  };
}

/** The path of a URL as the server gives it: always with a scheme and a host. */
function pathOf(url: string): string {
  const start = url.indexOf("/", "http://".length);
  const end = url.indexOf("?", start);
  return url.slice(start, end === -1 ? url.length : end);
}
