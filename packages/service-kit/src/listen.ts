import { unavailable } from "@payflow/contracts/errors.ts";
import type { AnyElysia } from "elysia";
import { problemResponse } from "./http/problem.ts";
import { requestFacts } from "./http/request.ts";

export interface Listener {
  /** Takes no more connections and waits until the requests under way have been answered. */
  stop(): Promise<void>;
}

/**
 * A store may stay silent instead of being away: its machine is lost, or the network between. What waits for
 * it is answered `unavailable` after this long, which is later than any of our own statements may take.
 */
const answerLimitMs = 12_000;

/**
 * Serves an app. The port is shared with the other replicas of this machine: the kernel spreads the
 * connections. `idleTimeout` is in seconds.
 */
export function listen(app: AnyElysia, at: { readonly host: string; readonly port: number }): Listener {
  app.compile();
  const server = Bun.serve({
    hostname: at.host,
    port: at.port,
    reusePort: true,
    idleTimeout: 60,
    // The kit answers 413 with a problem; this bound only stops what would not even be read.
    maxRequestBodySize: 64 * 1024 * 1024,
    fetch: (request) => inTime(request, app.fetch(request), answerLimitMs),
  });
  return { stop: () => server.stop(false) };
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
