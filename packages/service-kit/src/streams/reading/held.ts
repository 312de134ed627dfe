import { LeaseLost } from "../../concurrency/finish-batch.ts";
import { pause } from "../../concurrency/retry.ts";
import { isRedisOutage } from "../../store/redis.ts";
import type { Logger } from "../../telemetry/logging.ts";
import type { DoneEntries, EntryFailure, EntryReference, HeldPartition } from "../consumer.ts";
import { addLetter, letterValues } from "../dead-letters.ts";
import type { StreamEntry } from "../entry.ts";
import type { StreamKeys } from "../keys.ts";
import { runFenced, type ScriptedStreams } from "../scripts.ts";
import type { StreamMetrics } from "../stream-metrics.ts";
import type { Window } from "./window.ts";

export interface HeldOptions {
  readonly redis: ScriptedStreams;
  readonly keys: StreamKeys;
  readonly group: string;
  readonly member: string;
  readonly number: number;
  readonly fence: number;
  readonly logger: Logger;
  readonly metrics: StreamMetrics;
}

/** What a reader knows of its partition when it begins to serve a consumer. */
export interface Held extends Omit<HeldOptions, "logger"> {
  readonly logger: Logger;
  readonly window: Window;
  readonly known: Map<string, EntryFailure>;
  /** Entries that were taken over from other programs, and are not done. */
  readonly claimed: Set<string>;
  readonly signal: AbortSignal;
  /** Tells the reader that there may be room again, or that the lease is lost. */
  readonly onProgress: () => void;
  readonly onLost: () => void;
  /** The number of the next step; steps of one fence never share one. */
  readonly nextStep: () => number;
}

/** What a step does besides finishing entries: Lua, its keys and its arguments. */
interface Body {
  readonly script: string;
  readonly keys: readonly string[];
  readonly values: readonly (string | number)[];
}

const noBody: Body = { script: "", keys: [], values: [] };

/** How long stopping waits for a Redis that is away, to store what is done. */
const stoppingMs = 3_000;

/** The fenced steps of one partition, one after the other in the order in which they were asked for. */
export class RedisPartition implements HeldPartition {
  readonly number: number;
  readonly group: string;
  readonly signal: AbortSignal;
  readonly #held: Held;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(held: Held) {
    this.#held = held;
    this.number = held.number;
    this.group = held.group;
    this.signal = held.signal;
  }

  async acknowledge(entries: readonly EntryReference[]): Promise<void> {
    await this.#inTurn(() => this.#settle(noBody, { entries, isExported: true }, true));
  }

  /** Stores a position that moved without anything being acknowledged. */
  async advance(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#held.window.plan([]).hasMoved) {
        await this.#settle(noBody, { entries: [], isExported: false }, true);
      }
    });
  }

  async bury(entry: StreamEntry, failure: EntryFailure): Promise<void> {
    const { keys, group, number, metrics } = this.#held;
    const body = {
      script: addLetter,
      keys: [keys.dead(number), keys.deadOf(number, entry.tenantId, entry.mode)],
      values: letterValues(group, entry, failure),
    };
    const done = { entries: [entry], isExported: false };
    await this.#inTurn(() => this.#settle(body, done, true));
    metrics.deadLetters.inc({ group });
  }

  async failures(): Promise<ReadonlyMap<string, EntryFailure>> {
    return this.#held.known;
  }

  async recordFailure(entry: StreamEntry, failure: EntryFailure): Promise<void> {
    const { keys, group, number, known } = this.#held;
    const body = {
      script: "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])",
      keys: [keys.failures(number, group)],
      values: [entry.id, JSON.stringify(failure)],
    };
    // Without a number too a repeat changes nothing more.
    await this.#inTurn(() => this.#settle(body, undefined, true));
    known.set(entry.id, failure);
  }

  report(error: unknown, kind: "event" | "transient", entry?: StreamEntry): void {
    const { group, number, logger, metrics } = this.#held;
    metrics.failures.inc({ group, kind });
    const about = { group, partition: number, tenant_id: entry?.tenantId, entry: entry?.id, err: error };
    if (kind === "event") logger.error(about, "an event could not be handled");
    else logger.warn(about, "a partition waits for an error to pass");
  }

  step(
    script: string,
    keys: readonly string[],
    values: readonly (string | number)[],
    done?: DoneEntries,
  ): Promise<unknown> {
    // Only a step that finishes entries has a number, by which a repeat of it is known.
    return this.#inTurn(() => this.#settle({ script, keys, values }, done, done !== undefined));
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #settle(body: Body, done: DoneEntries | undefined, canRepeat: boolean): Promise<unknown> {
    const { redis, keys, group, member, number, fence, window, known, claimed, metrics } = this.#held;
    const ids = done?.entries.map((entry) => entry.id) ?? [];
    const progress = window.plan(ids);
    const forgotten = known.size === 0 ? [] : ids.filter((id) => known.has(id));
    const taken = claimed.size === 0 ? [] : ids.filter((id) => claimed.has(id));
    const values: (string | number)[] = [];
    if (done !== undefined) {
      values.push(group, this.#held.nextStep(), progress.hasMoved ? progress.position : "");
      values.push(progress.entriesRead ?? "");
      for (const list of [progress.passed, progress.ahead, forgotten, taken])
        values.push(list.length, ...list);
      if (done.isExported) values.push(...countByOwner(done.entries));
    }
    const stepKeys = [
      ...[keys.lease(number, group), keys.events(number), keys.exported(number, group)],
      ...[keys.failures(number, group), keys.ahead(number, group), ...body.keys],
    ];
    const [outcome, answer] = await this.#whileAway(canRepeat, () =>
      runFenced(redis, body.script, stepKeys, [member, fence, values.length, ...values, ...body.values]),
    );
    if (outcome === 0) {
      this.#held.onLost();
      throw new LeaseLost("the partition is read by another replica");
    }
    if (done !== undefined) {
      window.apply(progress);
      for (const id of forgotten) known.delete(id);
      for (const id of taken) claimed.delete(id);
      if (ids.length > 0) metrics.acknowledged.inc({ group }, ids.length);
      this.#held.onProgress();
    }
    return answer;
  }

  /** Repeats while Redis is away: the number of the step keeps it from being counted twice. */
  async #whileAway<T>(canRepeat: boolean, run: () => Promise<T>): Promise<T> {
    for (let until = Number.POSITIVE_INFINITY; ; ) {
      try {
        return await run();
      } catch (error) {
        if (!canRepeat || !isRedisOutage(error)) throw error;
        if (this.signal.aborted) until = Math.min(until, performance.now() + stoppingMs);
        if (performance.now() > until) throw error;
        await pause(100);
      }
    }
  }
}

function countByOwner(entries: readonly EntryReference[]): (string | number)[] {
  const counts = new Map<string, number>();
  for (const { tenantId, mode } of entries) {
    const owner = `${tenantId}/${mode}`;
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  return [...counts].flat();
}
