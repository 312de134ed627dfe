import { unavailable } from "@payflow/contracts/errors.ts";
import type { AnyElysia } from "elysia";
import type { Door } from "../http/door.ts";
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
 * few and keep them long: all of them may lie with one replica while another idles. Once a second, an answer
 * ends its connection, and the next is chosen anew. A count of answers would be reached late where little is
 * asked, and choosing more often would meet a replica that hangs more often.
 */
const choiceEveryMs = 1_000;

/**
 * Serves an app. The port is shared with the other replicas of this machine: the kernel spreads the
 * connections. `idleTimeout` is in seconds, `now` a steady clock in milliseconds.
 */
export function listen(
  app: AnyElysia,
  at: {
    readonly host: string;
    readonly port: number;
    readonly isInternal: boolean;
    /** Asked first. */
    readonly door?: Door | undefined;
  },
  now = () => performance.now(),
): Listener {
  app.compile();
  const inTime = answerInTime(answerLimitMs);
  let nextChoiceMs = now() + choiceEveryMs;
  const server = Bun.serve({
    hostname: at.host,
    port: at.port,
    reusePort: true,
    idleTimeout: 60,
    // The kit answers 413 with a problem; this bound only stops what would not even be read.
    maxRequestBodySize: 64 * 1024 * 1024,
    fetch: (request) => {
      const answer = inTime(request, at.door?.(request) ?? app.fetch(request));
      if (!at.isInternal || now() < nextChoiceMs) return answer;
      nextChoiceMs = now() + choiceEveryMs;
      return endConnection(answer);
    },
  });
  return { port: server.port ?? at.port, stop: () => server.stop(false) };
}

interface Waiting {
  readonly request: Request;
  readonly dueMs: number;
  readonly resolve: (answer: Response) => void;
}

/**
 * Makes what passes an answer on, or 503 `unavailable` when it is late; what was begun then goes on unheard.
 * All wait equally long, so that the oldest is due first, and one timer serves all.
 */
export function answerInTime(limitMs: number) {
  const waiting = new Set<Waiting>();
  let isTimed = false;
  const wait = (ms: number) => {
    isTimed = true;
    setTimeout(sweep, ms).unref();
  };
  const sweep = () => {
    isTimed = false;
    const nowMs = performance.now();
    for (const one of waiting) {
      if (one.dueMs > nowMs) return wait(one.dueMs - nowMs);
      waiting.delete(one);
      const { requestId, headers } = requestFacts(one.request);
      one.resolve(problemResponse(unavailable("A store of the platform"), requestId, headers));
    }
  };
  return (request: Request, answer: Response | Promise<Response>): Response | Promise<Response> => {
    if (answer instanceof Response) return answer;
    return new Promise((resolve, reject) => {
      const one = { request, dueMs: performance.now() + limitMs, resolve };
      waiting.add(one);
      if (!isTimed) wait(limitMs);
      answer.then(
        (response) => {
          waiting.delete(one);
          resolve(response);
        },
        (error: unknown) => {
          waiting.delete(one);
          reject(error);
        },
      );
    });
  };
}

async function endConnection(answer: Response | Promise<Response>): Promise<Response> {
  const last = await answer;
  last.headers.set("connection", "close");
  return last;
}
