import { unavailable } from "@payflow/contracts/errors.ts";
import type { AnyElysia } from "elysia";
import { problemResponse } from "../http/problem.ts";
import { requestFacts } from "../http/request.ts";

export interface Listener {
  /** The one it was given, or a free one where that was 0. */
  readonly port: number;
  /** Takes no more connections and waits until the requests under way have been answered. */
  stop(): Promise<void>;
}

/**
 * A store may stay silent instead of being away: its machine is lost, or the network between. What waits for
 * it is answered `unavailable` after this long, which is later than any of our own statements may take.
 */
const answerLimitMs = 12_000;

/**
 * A connection stays with the replica that the kernel, or the cluster, chose for it, and our services keep
 * few and keep them long. One answer in so many ends its connection, so that the next is chosen anew.
 */
const answersBetweenChoices = 50;

/**
 * Serves an app. The port is shared with the other replicas of this machine: the kernel spreads the
 * connections. `idleTimeout` is in seconds.
 */
export function listen(
  app: AnyElysia,
  at: { readonly host: string; readonly port: number; readonly isInternal: boolean },
): Listener {
  app.compile();
  let answers = 0;
  const server = Bun.serve({
    hostname: at.host,
    port: at.port,
    reusePort: true,
    idleTimeout: 60,
    // The kit answers 413 with a problem; this bound only stops what would not even be read.
    maxRequestBodySize: 64 * 1024 * 1024,
    fetch: (request) => {
      const answer = inTime(request, app.fetch(request), answerLimitMs);
      answers += 1;
      return at.isInternal && answers % answersBetweenChoices === 0 ? endConnection(answer) : answer;
    },
  });
  return { port: server.port ?? at.port, stop: () => server.stop(false) };
}

/** The answer, or 503 `unavailable` when it is late; what was begun then goes on unheard. */
export function inTime(
  request: Request,
  answer: Response | Promise<Response>,
  limitMs: number,
): Response | Promise<Response> {
  if (answer instanceof Response) return answer;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const { requestId, headers } = requestFacts(request);
      resolve(problemResponse(unavailable("A store of the platform"), requestId, headers));
    }, limitMs);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

async function endConnection(answer: Response | Promise<Response>): Promise<Response> {
  const last = await answer;
  last.headers.set("connection", "close");
  return last;
}
