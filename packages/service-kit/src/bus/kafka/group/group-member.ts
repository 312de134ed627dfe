import type { Topic } from "@payflow/contracts/events.ts";
import type { BaseOptions } from "@platformatic/kafka";
import { backoffMs, pause } from "../../../concurrency/retry.ts";
import type { Logger } from "../../../telemetry/logging.ts";
import type { BatchTrace, RunningSubscription, Subscription } from "../../bus.ts";
import type { BusMetrics } from "../../bus-metrics.ts";
import { isKafkaOutage } from "../errors.ts";
import { KafkaLink } from "../link.ts";
import type { Names } from "../names.ts";
import { listOffsets, readPositions } from "../positions.ts";
import type { Assignment } from "./assignment.ts";
import { Committer } from "./committer.ts";
import { decodeFailures } from "./failure-note.ts";
import { Fetcher } from "./fetcher.ts";
import { Membership, rebalanceMs } from "./membership.ts";
import { PartitionReader, type ReaderOptions } from "./partition-reader.ts";

export interface MemberOptions {
  readonly client: BaseOptions;
  /** The bus's own link, for positions. */
  readonly link: KafkaLink;
  readonly names: Names;
  readonly subscription: Subscription;
  readonly sessionMs: number;
  readonly bury: ReaderOptions["bury"];
  readonly logger: Logger;
  readonly metrics: BusMetrics;
  readonly trace: BatchTrace;
}

/** A partition that the group gave to this member. */
interface Held {
  /** Null until it is known where its reading begins. */
  reader: PartitionReader | null;
  isLeaving: boolean;
}

/** One replica of a group: which partitions it reads, from their assignment to their giving up. */
export class GroupMember implements RunningSubscription {
  readonly #options: MemberOptions;
  readonly #membershipLink: KafkaLink;
  readonly #pulseLink: KafkaLink;
  readonly #fetchLink: KafkaLink;
  readonly #membership: Membership;
  readonly #committer: Committer;
  readonly #fetcher: Fetcher;
  readonly #topics: ReadonlyMap<string, Topic>;
  readonly #held = new Map<string, Held>();
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | null = null;

  constructor(options: MemberOptions) {
    const { client, link, names, subscription, logger, sessionMs } = options;
    this.#options = options;
    this.#topics = new Map(subscription.topics.map((topic) => [names.topic(topic), topic]));
    const topics = [...this.#topics.keys()];
    const group = names.group(subscription.group);
    this.#membershipLink = new KafkaLink(client, rebalanceMs + 5_000);
    this.#pulseLink = new KafkaLink(client, Math.ceil(sessionMs / 2));
    this.#fetchLink = new KafkaLink(client);
    this.#membership = new Membership({
      ...{ link: this.#membershipLink, pulse: this.#pulseLink, group, topics, sessionMs, logger },
      owned: () => this.#owned(),
      onAssigned: (assignment) => this.#assign(assignment),
      onLost: () => this.#abandonAll(),
    });
    this.#committer = new Committer({
      ...{ link, group, membership: this.#membership },
      onError: (error) => this.#report(error, "positions are not stored for now"),
    });
    this.#fetcher = new Fetcher({
      ...{ link: this.#fetchLink, topics, logger },
      readers: () => this.#readers(),
      onReplaced: (reader) => this.#replace(reader),
    });
    this.#membership.start();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#leave();
    return this.#stopped;
  }

  async #leave(): Promise<void> {
    this.#stopping.abort();
    const all = [...this.#held.values()].map((held) => this.#finish(held));
    await Promise.all(all);
    await this.#membership.leave();
    await Promise.all([this.#committer.stop(), this.#fetcher.stop()]);
    this.#held.clear();
    this.#count();
    const links = [this.#membershipLink, this.#pulseLink, this.#fetchLink];
    await Promise.all(links.map((link) => link.close()));
  }

  *#readers(): Iterable<PartitionReader> {
    for (const { reader } of this.#held.values()) if (reader !== null && !reader.isLost) yield reader;
  }

  #owned(): Assignment {
    const owned: Assignment = new Map();
    for (const name of this.#held.keys()) {
      const [topic, partition] = parts(name);
      owned.set(topic, [...(owned.get(topic) ?? []), partition]);
    }
    return owned;
  }

  #assign(assignment: Assignment): void {
    if (this.#stopping.signal.aborted) return;
    const wanted = new Set<string>();
    for (const [topic, partitions] of assignment) {
      for (const partition of partitions) wanted.add(`${topic}/${partition}`);
    }
    const leaving = [...this.#held].filter(([name, held]) => !wanted.has(name) && !held.isLeaving);
    if (leaving.length > 0) void this.#giveUp(leaving);
    const added = [...wanted].filter((name) => !this.#held.has(name));
    for (const name of added) this.#held.set(name, { reader: null, isLeaving: false });
    const byTopic = Map.groupBy(added, (name) => parts(name)[0]);
    for (const [topic, names] of byTopic) void this.#open(topic, names);
    this.#count();
  }

  /** Finishes what is under way in these partitions, and lets the group give them to others. */
  async #giveUp(leaving: readonly [string, Held][]): Promise<void> {
    for (const [, held] of leaving) held.isLeaving = true;
    await Promise.all(leaving.map(([, held]) => this.#finish(held)));
    for (const [name, held] of leaving) if (this.#held.get(name) === held) this.#held.delete(name);
    this.#count();
    const { logger, subscription } = this.#options;
    logger.debug(
      { group: subscription.group, partitions: leaving.map(([name]) => name) },
      "gave up partitions",
    );
    this.#membership.rejoin();
  }

  async #finish({ reader }: Held): Promise<void> {
    if (reader === null) return;
    await reader.stop();
    // Whatever is not stored now is handled again by the partition's next reader.
    if (!reader.isLost) await this.#committer.store(reader).catch(() => {});
    reader.isLost = true;
  }

  #abandonAll(): void {
    for (const { reader } of this.#held.values()) reader?.abandon();
    this.#held.clear();
    this.#count();
  }

  /** Begins anew, as with a partition that was just assigned: at what is stored of it. */
  #replace(reader: PartitionReader): void {
    const name = `${reader.kafkaTopic}/${reader.partition}`;
    reader.abandon();
    if (this.#held.get(name)?.reader !== reader) return;
    this.#held.set(name, { reader: null, isLeaving: false });
    void this.#open(reader.kafkaTopic, [name]);
  }

  /** Finds out where the reading of partitions begins, however long it takes, and begins it. */
  async #open(kafkaTopic: string, names: readonly string[]): Promise<void> {
    const entries = new Map(names.map((name) => [name, this.#held.get(name)]));
    const isWanted = (name: string) => {
      const held = this.#held.get(name);
      return held !== undefined && held === entries.get(name) && !held.isLeaving;
    };
    for (let tries = 1; names.some(isWanted) && !this.#stopping.signal.aborted; tries += 1) {
      try {
        const readers = await this.#readersOf(
          kafkaTopic,
          names.map((name) => parts(name)[1]),
          isWanted,
        );
        for (const [name, reader] of readers) {
          const held = this.#held.get(name);
          if (held !== undefined) held.reader = reader;
        }
        const { logger, subscription } = this.#options;
        const partitions = readers.map(([name]) => name);
        logger.debug({ group: subscription.group, partitions }, "reads partitions from now on");
        this.#fetcher.wake();
        return;
      } catch (error) {
        this.#report(error, "a group's partitions wait for their positions");
        await pause(backoffMs({ firstMs: 50, maxMs: 1_000 }, tries), this.#stopping.signal);
      }
    }
  }

  async #readersOf(
    kafkaTopic: string,
    partitions: readonly number[],
    isWanted: (name: string) => boolean,
  ): Promise<[string, PartitionReader][]> {
    const { link, names, subscription } = this.#options;
    const topic = this.#topics.get(kafkaTopic);
    const log = (await link.metadata([kafkaTopic], true)).topics.get(kafkaTopic)?.id;
    if (topic === undefined || log === undefined) throw new Error(`no topic is called ${kafkaTopic}`);
    const group = names.group(subscription.group);
    const stored = await readPositions(link, group, kafkaTopic, partitions);
    const own = await subscription.resumeFrom?.(topic, log);
    const unread = partitions.filter((partition) => !stored.has(partition) && !own?.has(partition));
    const earliest = await listOffsets(link, kafkaTopic, unread, "earliest");
    // Nothing is awaited from here on, so that what is wanted now is still wanted when it is read.
    return partitions
      .filter((partition) => isWanted(`${kafkaTopic}/${partition}`))
      .map((partition) => {
        const committed = stored.get(partition);
        const position = own?.get(partition) ?? committed?.offset ?? earliest.get(partition) ?? 0;
        const failures = decodeFailures(committed?.note ?? null, committed?.offset ?? 0);
        const start = { topic, kafkaTopic, partition, log, position, failures };
        const reader = new PartitionReader(start, {
          ...this.#options,
          committer: this.#committer,
          onRoom: () => this.#fetcher.wake(),
          onEnded: (ended) => this.#replace(ended),
        });
        if (committed?.offset !== position) this.#committer.note(reader);
        return [`${kafkaTopic}/${partition}`, reader];
      });
  }

  #count(): void {
    const { metrics, subscription, names } = this.#options;
    for (const topic of subscription.topics) {
      const held = [...this.#held.keys()].filter((name) => parts(name)[0] === names.topic(topic));
      metrics.heldPartitions.set({ group: subscription.group, topic }, held.length);
      metrics.pausedPartitions.inc({ group: subscription.group, topic }, 0);
    }
  }

  #report(error: unknown, text: string): void {
    const about = { err: error, group: this.#options.subscription.group };
    if (isKafkaOutage(error)) this.#options.logger.debug(about, text);
    else this.#options.logger.error(about, text);
  }
}

/** Topic and partition of a held partition's name. */
function parts(name: string): [string, number] {
  const at = name.lastIndexOf("/");
  return [name.slice(0, at), Number(name.slice(at + 1))];
}
