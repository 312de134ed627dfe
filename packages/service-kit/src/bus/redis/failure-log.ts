import type { Topic } from "@payflow/contracts/events.ts";
import { type Failure, type FailureLog, LeaseLost } from "../../concurrency/finish-batch.ts";
import type { Subscription } from "../bus.ts";
import type { BusMetrics } from "../bus-metrics.ts";
import { type Delivery, letterOf } from "../deliveries.ts";
import { deadLetterFields } from "./dead-letters.ts";
import type { Keys } from "./keys.ts";
import type { ScriptedRedis } from "./scripts.ts";

/**
 * Longer than any deployment takes to finish a partition's failing entries. What is finished is forgotten
 * with the commit of its position; this is for a partition that nobody reads any more.
 */
const keptMs = 7 * 24 * 3_600_000;

interface FailureLogOptions {
  readonly redis: ScriptedRedis;
  readonly keys: Keys;
  readonly member: string;
  readonly topic: Topic;
  readonly subscription: Subscription;
  readonly metrics: BusMetrics;
}

/** The failures of one partition, written only while its lease is held under the same fence. */
export class RedisFailureLog implements FailureLog<Delivery> {
  constructor(
    private readonly options: FailureLogOptions,
    private readonly lease: { readonly partition: number; readonly fence: number },
  ) {}

  async load(): Promise<ReadonlyMap<string, Failure>> {
    const stored = await this.options.redis.hgetall(this.#key());
    // Only this class writes the hash.
    return new Map(Object.entries(stored).map(([id, text]) => [id, JSON.parse(text) as Failure]));
  }

  async record(delivery: Delivery, failure: Failure): Promise<void> {
    await this.#write(delivery, failure, [], []);
  }

  async bury(delivery: Delivery, failure: Failure): Promise<void> {
    const { keys, metrics, subscription, topic } = this.options;
    const fields = deadLetterFields(letterOf(subscription.group, delivery, failure));
    await this.#write(delivery, { ...failure, isBuried: true }, [keys.deadLetters(topic)], fields);
    metrics.deadLetters.inc({ group: subscription.group, topic });
  }

  async #write(delivery: Delivery, failure: Failure, more: string[], fields: string[]): Promise<void> {
    const { redis, keys, member, subscription, topic } = this.options;
    const written = await redis.busFail(
      2 + more.length,
      ...[keys.leases(subscription.group, topic), this.#key(), ...more],
      ...[member, this.lease.partition, this.lease.fence, delivery.position],
      ...[JSON.stringify(failure), keptMs, ...fields],
    );
    if (written !== 1) throw new LeaseLost("the partition is read by another replica");
  }

  #key(): string {
    const { keys, subscription, topic } = this.options;
    return keys.failures(subscription.group, topic, this.lease.partition);
  }
}
