import type { Logger } from "../telemetry/logging.ts";

/** Work that goes on after its request was answered. */
export interface Background {
  /** Takes the work over; what it throws is logged, since recovery ends what it leaves. */
  add(work: Promise<unknown>): void;
  /** Waits until all of it is done. */
  drain(): Promise<void>;
}

/** Keeps hold of work that outlives its request, so that stopping can wait for it. */
export function createBackground(logger: Logger): Background {
  const underWay = new Set<Promise<unknown>>();
  return {
    add(work) {
      const watched = work
        .catch((error: unknown) => logger.warn({ err: error }, "background work was left to recovery"))
        .finally(() => underWay.delete(watched));
      underWay.add(watched);
    },
    async drain() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}
