import type { Logger } from "../../../telemetry/logging.ts";
import type { TopicLag } from "../../bus.ts";
import type { BusMetrics } from "../../bus-metrics.ts";

/** From this share of the retention on a group's oldest unread event is warned of. */
const nearShare = 0.5;

/**
 * Watches how near the oldest event that a group has not acknowledged comes to the end of the time that Kafka
 * keeps events: what is older is dropped, read or not.
 */
export class RetentionWatch {
  /** In seconds by topic; nothing for those that keep events for ever. */
  readonly #retentions: ReadonlyMap<string, number>;
  readonly #near = new Set<string>();

  constructor(
    retentions: ReadonlyMap<string, number>,
    private readonly metrics: Pick<BusMetrics, "retentionShare">,
    private readonly logger: Logger,
  ) {
    this.#retentions = retentions;
  }

  observe(group: string, { topic, seconds }: TopicLag): void {
    const kept = this.#retentions.get(topic);
    if (kept === undefined) return;
    const share = seconds / kept;
    this.metrics.retentionShare.set({ group, topic }, share);
    const name = `${group} ${topic}`;
    const isNear = share >= nearShare;
    if (isNear === this.#near.has(name)) return;
    const about = { group, topic, unread_seconds: seconds, kept_seconds: kept };
    if (isNear) {
      this.#near.add(name);
      this.logger.error(about, "a group is so far behind that Kafka may soon drop events it has not read");
    } else {
      this.#near.delete(name);
      this.logger.info(about, "a group has caught up before Kafka dropped events");
    }
  }
}
