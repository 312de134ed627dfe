import {
  decodeConsumerProtocolAssignment,
  decodeConsumerProtocolSubscription,
  encodeConsumerProtocolAssignment,
  encodeConsumerProtocolSubscription,
  findErrorBy,
  type joinGroupV9,
} from "@platformatic/kafka";
import { backoffMs, pause } from "../../../concurrency/retry.ts";
import { Wakeup } from "../../../concurrency/wakeup.ts";
import type { Logger } from "../../../telemetry/logging.ts";
import { isAnswer, isKafkaOutage } from "../errors.ts";
import type { KafkaLink } from "../link.ts";
import { type Assignment, assignPartitions } from "./assignment.ts";

export interface MembershipOptions {
  /** Of its own: a join waits in its request for the group's other members. */
  readonly link: KafkaLink;
  /** One whose requests fail before the session is over, for the signs of life. */
  readonly pulse: KafkaLink;
  readonly group: string;
  readonly topics: readonly string[];
  /** A member that is silent for so long is dead to the others. */
  readonly sessionMs: number;
  readonly logger: Logger;
  /** What this member reads now. */
  readonly owned: () => Assignment;
  /** What it is to read from now on. */
  readonly onAssigned: (assignment: Assignment) => void;
  /** The group goes on without this member: whatever it read may be another's. */
  readonly onLost: () => void;
}

/** How long the group waits for a member that has to join again and does not. */
export const rebalanceMs = 10_000;

const heartbeatMs = 500;
/** Partitions that change hands take a second division: for a while it is looked for more often. */
const handOver = { forMs: 2_000, heartbeatMs: 100 };
/** What no waiting mends: a session time that the broker does not allow, a group this user may not use. */
const wrongSettings = ["INVALID_SESSION_TIMEOUT", "GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED"];
const protocol = "payflow-cooperative";
const encodingVersion = 2;

/** One member of a consumer group, by Kafka's group protocol. It joins again and again until it leaves. */
export class Membership {
  memberId = "";
  generation = -1;
  readonly #options: MembershipOptions;
  readonly #stopping = new AbortController();
  readonly #wakeup = new Wakeup();
  #mustJoin = true;
  #hasJoined = false;
  #failures = 0;
  #heardAtMs = performance.now();
  #joinedAtMs = Number.NEGATIVE_INFINITY;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Joins again, after partitions were given up. */
  rejoin(): void {
    this.#mustJoin = true;
    this.#wakeup.give();
  }

  /** The group does not know this member any more. */
  forget(): void {
    this.memberId = "";
    this.#lose();
  }

  /** Tells the group that this member leaves, so that it need not wait for its silence. */
  async leave(): Promise<void> {
    this.#stopping.abort();
    this.#wakeup.give();
    await this.#loop;
    if (this.memberId === "") return;
    const { link, group } = this.#options;
    await link.callCoordinator("LeaveGroup", group, group, [{ memberId: this.memberId }]).catch(() => {});
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const taken = this.#wakeup.take();
      try {
        if (this.#mustJoin) await this.#join();
        else await this.#beat();
        this.#heardAtMs = performance.now();
        this.#failures = 0;
        if (!this.#mustJoin) await taken.given(this.#untilBeatMs);
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  get #untilBeatMs(): number {
    const isHandingOver = performance.now() - this.#joinedAtMs < handOver.forMs;
    return isHandingOver ? handOver.heartbeatMs : heartbeatMs;
  }

  async #beat(): Promise<void> {
    const { pulse, group } = this.#options;
    await pulse.callCoordinator("Heartbeat", group, group, this.generation, this.memberId);
  }

  async #recover(error: unknown): Promise<void> {
    if (isAnswer(error, "MEMBER_ID_REQUIRED")) {
      const named = error instanceof Error ? findErrorBy(error, "apiId", "MEMBER_ID_REQUIRED") : null;
      this.memberId = String(named?.memberId ?? "");
      return;
    }
    if (isAnswer(error, "REBALANCE_IN_PROGRESS")) {
      const { logger, group } = this.#options;
      logger.debug({ group, generation: this.generation }, "a group divides its partitions anew");
      this.#mustJoin = true;
      return;
    }
    if (isAnswer(error, "UNKNOWN_MEMBER_ID", "FENCED_INSTANCE_ID")) return this.forget();
    if (isAnswer(error, "ILLEGAL_GENERATION")) return this.#lose();
    await this.#waitFor(error);
  }

  async #waitFor(error: unknown): Promise<void> {
    const { logger, group, sessionMs } = this.#options;
    this.#failures += 1;
    const isWrong = !isKafkaOutage(error) || isAnswer(error, ...wrongSettings);
    const level = isWrong ? "error" : "warn";
    if (this.#failures === 1) logger[level]({ err: error, group }, "a group's member waits for Kafka");
    // By now the others may have taken everything over.
    if (this.#hasJoined && performance.now() - this.#heardAtMs > sessionMs) this.#lose();
    await pause(backoffMs({ firstMs: 50, maxMs: 500 }, this.#failures), this.#stopping.signal);
  }

  #lose(): void {
    this.#mustJoin = true;
    this.#hasJoined = false;
    this.#options.onLost();
  }

  async #join(): Promise<void> {
    const { link, group, topics, sessionMs, owned, onAssigned, logger } = this.#options;
    this.#mustJoin = false;
    try {
      const metadata = encodeConsumerProtocolSubscription({
        version: encodingVersion,
        topics: [...topics],
        ownedPartitions: asList(owned()),
        generationId: this.generation,
      });
      const protocols = [{ name: protocol, metadata }];
      const joined = await link.callCoordinator(
        ...(["JoinGroup", group, group, sessionMs, rebalanceMs] as const),
        ...([this.memberId, null, "consumer", protocols] as const),
      );
      this.memberId = joined.memberId;
      this.generation = joined.generationId;
      const plan = joined.leader === joined.memberId ? await this.#plan(joined.members) : [];
      const answer = await link.callCoordinator(
        ...(["SyncGroup", group, group, this.generation, this.memberId] as const),
        ...([null, "consumer", protocol, plan] as const),
      );
      const { assignedPartitions } = decodeConsumerProtocolAssignment(answer.assignment);
      this.#hasJoined = true;
      this.#joinedAtMs = performance.now();
      onAssigned(new Map(assignedPartitions.map(({ topic, partitions }) => [topic, partitions])));
      logger.debug({ group, generation: this.generation, assignedPartitions }, "joined a group");
    } catch (error) {
      this.#mustJoin = true;
      throw error;
    }
  }

  /** What the leader of a group does for all: it divides the partitions. */
  async #plan(members: readonly joinGroupV9.JoinGroupResponseMember[]) {
    const claims = members.map(({ memberId, metadata }) => {
      const { topics, ownedPartitions, generationId } = decodeConsumerProtocolSubscription(metadata);
      const owned = new Map(ownedPartitions.map(({ topic, partitions }) => [topic, partitions]));
      return { memberId, topics, owned, generation: generationId };
    });
    const names = [...new Set(claims.flatMap(({ topics }) => topics))];
    const { topics } = await this.#options.link.metadata(names, true);
    const counts = new Map([...topics].map(([name, { partitionsCount }]) => [name, partitionsCount]));
    return [...assignPartitions(claims, counts)].map(([memberId, assignment]) => ({
      memberId,
      assignment: encodeConsumerProtocolAssignment({
        version: encodingVersion,
        assignedPartitions: asList(assignment),
      }),
    }));
  }
}

function asList(assignment: Assignment) {
  return [...assignment].map(([topic, partitions]) => ({ topic, partitions: [...partitions] }));
}
