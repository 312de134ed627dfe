import type { Logger } from "../telemetry/logging.ts";
import { pause } from "./retry.ts";

/** Work that is done in rounds until it is stopped. */
export interface Rounds {
  /** Asks for the next round now; during a round, for another one right after it. */
  wake(): void;
  /** Tells the round under way by its signal, and resolves at its end. */
  stop(): Promise<void>;
}

export interface RoundsOptions {
  readonly logger: Logger;
  /** What the log says of a round that threw; the next one comes as if nothing had happened. */
  readonly failure: string;
  /** From the end of a round to the next. */
  readonly everyMs: number;
  /** From the end of one that threw to the next; `everyMs` when left out. */
  readonly againMs?: number;
  /**
   * From the beginning of a round to the next at least, even when woken; a round that answers 0 goes on at
   * once.
   */
  readonly gapMs?: number;
  /** One round. It may answer how many milliseconds to wait in the place of `everyMs`. */
  readonly round: (signal: AbortSignal) => Promise<number | undefined>;
}

/** Begins the first round at once and goes on until told to stop; a round that throws ends nothing. */
export function startRounds(options: RoundsOptions): Rounds {
  const { logger, failure, everyMs, againMs, gapMs = 0, round } = options;
  const stopping = new AbortController();
  let woken = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      woken = new AbortController();
      const startedAt = performance.now();
      const waitMs = await round(stopping.signal).catch((error: unknown) => {
        logger.warn({ err: error }, failure);
        return againMs;
      });
      if (waitMs === 0) continue;
      const restMs = startedAt + gapMs - performance.now();
      if (restMs > 0) await pause(restMs, stopping.signal);
      await pause(waitMs ?? everyMs, AbortSignal.any([stopping.signal, woken.signal]));
    }
  })();
  return {
    wake: () => woken.abort(),
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
