import { LeaseLost } from "../../../concurrency/finish-batch.ts";
import { pause } from "../../../concurrency/retry.ts";
import { Wakeup } from "../../../concurrency/wakeup.ts";
import { isAnswer } from "../errors.ts";
import type { KafkaLink } from "../link.ts";
import type { Membership } from "./membership.ts";

/** A partition's progress, as far as it is finished here. */
export interface Committable {
  readonly kafkaTopic: string;
  readonly partition: number;
  /** All before this offset is finished. */
  readonly position: number;
  /** What is stored beside it. */
  readonly note: () => string;
  /** Whether another member may read the partition by now. */
  readonly isLost: boolean;
}

export interface CommitterOptions {
  readonly link: KafkaLink;
  readonly group: string;
  readonly membership: Pick<Membership, "generation" | "memberId" | "forget">;
  readonly onError: (error: unknown) => void;
}

interface Waiter {
  readonly one: Committable;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** While nobody waits, commits are at least this far apart: they are worth more the more they hold. */
const lingerMs = 20;
const retryMs = 100;
/** A rebalance refuses commits for a moment. Longer than one may take, the partition is not ours any more. */
const refusedTries = 100;

/**
 * Stores positions with the group, all that have changed in one request, one request at a time. Kafka refuses
 * them from a member that the group goes on without.
 */
export class Committer {
  readonly #options: CommitterOptions;
  readonly #changed = new Set<Committable>();
  readonly #wakeup = new Wakeup();
  readonly #loop: Promise<void>;
  #waiters: Waiter[] = [];
  #isStopping = false;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  /** The position has changed; it is stored soon. */
  note(one: Committable): void {
    this.#changed.add(one);
    this.#wakeup.give();
  }

  /**
   * Stores the present position and note before it resolves. Throws `LeaseLost` when the partition is
   * another's, and otherwise what kept it from being stored.
   */
  store(one: Committable): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ one, resolve, reject });
      this.note(one);
    });
  }

  /** Ends it; what is not stored by then comes again elsewhere. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wakeup.give();
    await this.#loop;
    for (const { reject } of this.#waiters) reject(new LeaseLost("the group's member has stopped"));
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const taken = this.#wakeup.take();
      if (this.#changed.size === 0) {
        await taken.given(1_000);
        continue;
      }
      if (this.#waiters.length === 0) await this.#wakeup.take().given(lingerMs);
      await this.#storeChanged();
    }
  }

  async #storeChanged(): Promise<void> {
    const waiters = this.#waiters;
    const changed = [...this.#changed];
    this.#waiters = [];
    this.#changed.clear();
    try {
      await this.#commit(changed);
      for (const { one, resolve, reject } of waiters) {
        if (one.isLost) reject(new LeaseLost("the partition is read by another member"));
        else resolve();
      }
    } catch (error) {
      for (const { reject } of waiters) reject(error);
      if (!(error instanceof LeaseLost)) {
        this.#options.onError(error);
        for (const one of changed) this.#changed.add(one);
        await pause(retryMs);
      }
    }
  }

  async #commit(changed: readonly Committable[]): Promise<void> {
    const { link, group, membership } = this.#options;
    for (let tries = 1; ; tries += 1) {
      const present = changed.filter((one) => !one.isLost);
      if (present.length === 0) return;
      const { generation, memberId } = membership;
      try {
        await link.callCoordinator(
          ...(["OffsetCommit", group, group, generation, memberId, null, toTopics(present)] as const),
        );
        return;
      } catch (error) {
        if (isAnswer(error, "UNKNOWN_MEMBER_ID", "FENCED_INSTANCE_ID")) {
          if (membership.memberId === memberId) membership.forget();
          throw new LeaseLost("the group goes on without this member");
        }
        const isRefused = isAnswer(error, "REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION");
        if (!isRefused || tries >= refusedTries || this.#isStopping) throw error;
        await pause(retryMs / 4);
      }
    }
  }
}

function toTopics(changed: readonly Committable[]) {
  return [...Map.groupBy(changed, ({ kafkaTopic }) => kafkaTopic)].map(([name, ones]) => ({
    name,
    partitions: ones.map((one) => ({
      partitionIndex: one.partition,
      committedOffset: BigInt(one.position),
      committedLeaderEpoch: -1,
      committedMetadata: one.note(),
    })),
  }));
}
