import type { AnyElysia } from "elysia";
import type { Door } from "../http/door.ts";
import { LateAnswers } from "../http/late-answers.ts";

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
  const late = new LateAnswers(answerLimitMs);
  let nextChoiceMs = now() + choiceEveryMs;
  const server = Bun.serve({
    hostname: at.host,
    port: at.port,
    reusePort: true,
    idleTimeout: 60,
    // The kit answers 413 with a problem; this bound only stops what would not even be read.
    maxRequestBodySize: 64 * 1024 * 1024,
    fetch: (request) => {
      const answer = at.door?.(request, late) ?? late.pass(request, app.fetch(request));
      if (!at.isInternal || now() < nextChoiceMs) return answer;
      nextChoiceMs = now() + choiceEveryMs;
      return endConnection(answer);
    },
  });
  return { port: server.port ?? at.port, stop: () => server.stop(false) };
}

async function endConnection(answer: Response | Promise<Response>): Promise<Response> {
  const last = await answer;
  last.headers.set("connection", "close");
  return last;
}
