import type { Sql } from "postgres";
import { startRounds } from "../concurrency/rounds.ts";
import type { Logger } from "../telemetry/logging.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { OutboxSize } from "./rows.ts";

export interface OutboxLimitOptions {
  readonly sql: Sql;
  /** Events that may wait. */
  readonly maxEvents: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Between two looks. */
  readonly everyMs?: number;
}

export interface OutboxLimit {
  /** Whether so much waits that nothing should be begun that adds to it; as it was at the last look. */
  readonly isReached: boolean;
  stop(): Promise<void>;
}

/** What is refused again and again is let in once this share of the limit is left. */
const resumeShare = 0.9;

/**
 * Watches how much waits in the outbox, so that a bus that is away for long does not fill the database's
 * disk. Asking costs a request nothing; a look costs some index reads, and a count only beyond the limit.
 */
export function startOutboxLimit(options: OutboxLimitOptions): OutboxLimit {
  const { sql, maxEvents, logger, metrics, everyMs = 1_000 } = options;
  const size = new OutboxSize(sql);
  const share = metrics.gauge(
    "payflow_outbox_limit_ratio",
    "What waits in the whole outbox, as a share of OUTBOX_MAX_EVENTS; at 1 nothing new is begun.",
  );
  let isReached = false;
  const look = async () => {
    const waiting = await size.upTo(maxEvents);
    share.set(waiting / maxEvents);
    const isNow = waiting >= (isReached ? maxEvents * resumeShare : maxEvents);
    if (isNow === isReached) return;
    isReached = isNow;
    if (isNow)
      logger.error({ waiting, maxEvents }, "the outbox is full: nothing new is begun until it is sent");
    else logger.info({ waiting }, "the outbox has room again");
  };
  const rounds = startRounds({
    logger,
    failure: "how much waits in the outbox is not known for now",
    everyMs,
    round: async () => {
      await look();
      return undefined;
    },
  });
  return {
    get isReached() {
      return isReached;
    },
    stop: () => rounds.stop(),
  };
}
