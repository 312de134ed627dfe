import { sleep } from "k6";
import http, { type RefinedParams, type ResponseType } from "k6/http";
import { Rate, Trend } from "k6/metrics";
import { noOpUrl } from "./settings.ts";

/** Whether requests of the load were answered as the contract says, the first time they were sent. */
const answeredAtFirst = new Rate("answered_at_first");
/** How long an answer took, as a multiple of what a route that does nothing took just before. */
const timesNoOp = new Trend("times_no_op");

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly url: string;
  /** What the route is called in the metrics; without ids, or each would be a metric of its own. */
  readonly route: string;
  readonly key?: string;
  /** Sent as JSON, or as it is when it is text. */
  readonly body?: unknown;
  readonly isCompressed?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer<Body> {
  /** 0 when there was no answer. */
  readonly status: number;
  /** The body as JSON; an empty object where it is none. */
  readonly body: Body;
  readonly text: string;
  /** By names as Go writes them, such as `Retry-After`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tookMs: number;
}

/** Sends one request. */
export function call<Body>(one: Call): Answer<Body> {
  const [method, url, body, params] = requestOf(one);
  return answerOf(http.request(method, url, body, params));
}

/** Sends all requests at once and waits for all answers, which come in the requests' order. */
function callTogether<Body>(calls: readonly Call[]): Answer<Body>[] {
  const answers = http.batch(
    calls.map((one) => {
      const [method, url, body, params] = requestOf(one);
      return { method, url, body, params };
    }),
  );
  return answers.map((answer) => answerOf<Body>(answer));
}

const tries = 30;
const pauseSeconds = 0.2;

/**
 * Sends a request again and again until it has an answer that is none of 0, 429 and 5xx, as a program with an
 * idempotency key does; gives up after some seconds.
 */
export function insist<Body>(one: Call, first: Answer<Body> = call<Body>(one)): Answer<Body> {
  let answer = first;
  for (let left = tries; left > 0 && !isAnswered(answer.status); left -= 1) {
    sleep(pauseSeconds);
    answer = call<Body>(one);
  }
  return answer;
}

/** Sends a request of the load until it is answered, and notes whether it was at first. */
export function callUntilAnswered<Body>(one: Call): Answer<Body> {
  const first = call<Body>(one);
  noteFirstAnswer(isAnswered(first.status));
  return insist(one, first);
}

/** Sends requests of the load at once, each until it is answered. */
export function callTogetherUntilAnswered<Body>(calls: readonly Call[]): Answer<Body>[] {
  const firsts = callTogether<Body>(calls);
  return calls.map((one, index) => {
    const first = firsts[index];
    noteFirstAnswer(first !== undefined && isAnswered(first.status));
    return insist(one, first);
  });
}

/** Notes whether a request of the load was answered as the contract says when it was first sent. */
export function noteFirstAnswer(isAsPromised: boolean): void {
  answeredAtFirst.add(isAsPromised);
}

/** Whether a status says what became of the request. */
function isAnswered(status: number): boolean {
  return status !== 0 && status !== 429 && status < 500;
}

/** Times the no-op route is asked for one comparison; the quickest answer counts, as the least disturbed. */
const noOpsOfAComparison = 3;
/** Shorter answers are told apart by chance alone. */
const shortestMs = 0.3;

/**
 * Sends a request and, in iterations that are chosen for it, notes how long the answer took as a multiple of
 * what the route that does nothing took just before: the machine, its network and k6 itself are in both.
 */
export function besideNoOp<Body>(isChosen: boolean, send: () => Answer<Body>): Answer<Body> {
  const noOpMs = isChosen ? Math.min(...Array.from({ length: noOpsOfAComparison }, askNoOp)) : null;
  const answer = send();
  if (noOpMs !== null) timesNoOp.add(answer.tookMs / Math.max(noOpMs, shortestMs));
  return answer;
}

function askNoOp(): number {
  return call({ method: "GET", url: noOpUrl, route: "no-op" }).tookMs;
}

function requestOf(one: Call): [string, string, string | null, RefinedParams<ResponseType>] {
  const headers = {
    ...(one.key === undefined ? {} : { "x-api-key": one.key }),
    ...(one.body === undefined ? {} : { "content-type": "application/json" }),
    ...one.headers,
  };
  const text = typeof one.body === "string" ? one.body : JSON.stringify(one.body);
  return [
    one.method,
    one.url,
    one.body === undefined ? null : text,
    {
      headers,
      tags: { name: one.route, route: one.route },
      timeout: "30s",
      ...(one.isCompressed ? { compression: "gzip" } : {}),
    },
  ];
}

function answerOf<Body>(answer: {
  status: number;
  body: unknown;
  headers: Record<string, string>;
  timings: { duration: number };
}): Answer<Body> {
  const text = typeof answer.body === "string" ? answer.body : "";
  return {
    status: answer.status,
    // Callers look at the status first, and the contract says which fields come with it.
    body: (text.startsWith("{") ? JSON.parse(text) : {}) as Body,
    text,
    headers: answer.headers,
    tookMs: answer.timings.duration,
  };
}
