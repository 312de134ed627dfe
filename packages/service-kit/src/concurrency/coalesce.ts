import { isRetriableTransaction } from "../store/database.ts";
import { retry } from "./retry.ts";
import { WaitingLine } from "./waiting-line.ts";

export interface Coalescing<Request, Result> {
  /** Runs a batch in one call; the results stand in the order of the requests. */
  readonly run: (requests: readonly Request[]) => Promise<readonly Result[]>;
  /** Sorts a batch by its unique keys, so that two processes lock rows in the same order. */
  readonly compare?: (left: Request, right: Request) => number;
  readonly maxBatch?: number;
  /** Whose request it is. Batches take from all callers in turn: who sends many keeps nobody else waiting. */
  readonly callerOf?: (request: Request) => string;
  /** What a request adds to its call, and the most of it in one; looked at when the call is made. */
  readonly weigh?: (request: Request) => number;
  readonly maxWeight?: number;
  /** Calls under way at once. One gives the largest batches. */
  readonly maxInFlight?: number;
  /**
   * While requests come several at a time, a batch waits this long for more; one that comes alone never
   * waits. Each call has a cost of its own, so that under load a few milliseconds buy much throughput.
   */
  readonly gatherMs?: number;
  /** Requests that may wait; beyond, `onFull` throws for the newest. */
  readonly maxWaiting?: number;
  readonly onFull?: () => Error;
  /** Whether the error concerns the whole call and not one request, so that bisecting would help nobody. */
  readonly isOutage?: (error: unknown) => boolean;
}

interface Waiting<Request, Result> {
  readonly request: Request;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Joins concurrent requests into batches without a timer: while a call is under way arrivals wait, and on its
 * return they go out together. Deadlocks and serialization failures retry; any other error bisects the batch,
 * so that only the culprit fails.
 */
export function coalesce<Request, Result>(
  options: Coalescing<Request, Result>,
): (request: Request) => Promise<Result> {
  const maxBatch = options.maxBatch ?? 256;
  const maxInFlight = options.maxInFlight ?? 1;
  const maxWaiting = options.maxWaiting ?? 20_000;
  const { callerOf = () => "", weigh = () => 0, maxWeight = 0 } = options;
  const waiting = new WaitingLine<Waiting<Request, Result>>();
  const gatherMs = options.gatherMs ?? 0;
  let inFlight = 0;
  let lastBatch = 0;
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled || inFlight >= maxInFlight) return;
    isScheduled = true;
    // Alone, a request goes out at the end of this turn of the event loop, with whatever came in the same
    // turn.
    if (gatherMs === 0 || lastBatch < 2) setImmediate(send);
    else setTimeout(send, gatherMs);
  }

  function send(): void {
    isScheduled = false;
    while (inFlight < maxInFlight && waiting.size > 0) {
      const batch = waiting.take(maxBatch, maxWeight, ({ request }) => weigh(request));
      lastBatch = batch.length;
      void flush(batch);
    }
  }

  async function flush(batch: Waiting<Request, Result>[]): Promise<void> {
    inFlight += 1;
    const { compare } = options;
    if (compare !== undefined) batch.sort((left, right) => compare(left.request, right.request));
    try {
      await runBatch(options, batch);
    } finally {
      inFlight -= 1;
      schedule();
    }
  }

  return (request) =>
    new Promise<Result>((resolve, reject) => {
      if (waiting.size >= maxWaiting)
        return reject(options.onFull?.() ?? new Error("too many requests are waiting"));
      waiting.push(callerOf(request), { request, resolve, reject });
      schedule();
    });
}

async function runBatch<Request, Result>(
  options: Coalescing<Request, Result>,
  batch: readonly Waiting<Request, Result>[],
): Promise<void> {
  const requests = batch.map((one) => one.request);
  try {
    const results = await retry(() => options.run(requests), isRetriableTransaction, {
      firstMs: 5,
      maxMs: 100,
      attempts: 6,
    });
    if (results.length !== batch.length)
      throw new Error(`${results.length} results for ${batch.length} requests`);
    for (const [index, one] of batch.entries()) {
      // The length was compared above; a result itself may well be undefined.
      one.resolve(results[index] as Result);
    }
  } catch (error) {
    if (batch.length === 1 || options.isOutage?.(error)) {
      for (const one of batch) one.reject(error);
      return;
    }
    const middle = batch.length >> 1;
    await runBatch(options, batch.slice(0, middle));
    await runBatch(options, batch.slice(middle));
  }
}
