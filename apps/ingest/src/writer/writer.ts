import { createHash } from "node:crypto";
import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import type { Redis } from "ioredis";
import type { AcceptedEvent } from "../events/event.ts";
import appendScript from "./append/append.lua" with { type: "text" };
import { AppendCall, type AppendOutcome } from "./append/append-call.ts";
import { Body, type Chunk, chunksOf, type Item } from "./append/chunk.ts";
import type { StreamsLink } from "./link/streams-link.ts";
import type { MerchantsStore } from "./merchants.store.ts";
import { type WriterMetrics, writerMetrics } from "./writer-metrics.ts";

export interface WriterOptions {
  readonly link: StreamsLink;
  readonly keys: StreamKeys;
  readonly partitions: number;
  readonly merchants: MerchantsStore;
  readonly metrics: Metrics;
  /** How long a slice of remembered ids is; ids are remembered for three of them at least. */
  readonly sliceMs?: number;
}

/** What became of one event. */
export type AppendResult =
  | {
      readonly kind: "stored";
      /** The partition's number, a colon, and the entry's id in its stream. */
      readonly streamId: string;
      /** Counts the merchant's events in this mode from 1, without gaps. */
      readonly sequence: number;
    }
  | { readonly kind: "duplicate" }
  | { readonly kind: "conflict" }
  | { readonly kind: "too_many_merchants" };

export interface AppendOptions {
  /** The platform's own events: their merchants do not count. */
  readonly isPlatform?: boolean;
}

/** The append script, which the link makes known to each server. */
export const appendScripts: readonly string[] = [appendScript];
const appendSha = createHash("sha1").update(appendScript).digest("hex");

export const usualSliceMs = 8 * 3_600_000;
const maxFlushesInFlight = 4;
/**
 * While a flush is under way, the next one goes out once so many events wait, or the first has ended: a call
 * of the script and the disk's sync have a cost of their own, whatever they carry.
 */
const gatherEvents = 24;
/** Of more open events than these a flush takes half at most; so few that are left in the queue go along. */
const manyEvents = 32;
const restEvents = 8;
/** Events of one flush at most: Redis does nothing else for some milliseconds. */
const maxFlushEvents = 500;
/** Events of one body and partition in one flush: others get their turn between. */
const maxChunkEvents = 250;
/** Beyond so many events under way a request is refused, rather than answered late. */
const maxOpenEvents = 50_000;

/** A call, and the server that it goes to. */
interface NodeCall {
  readonly node: Redis;
  readonly call: AppendCall;
}

/**
 * Stores events in the streams, those of many requests together: what arrives while a flush is under way goes
 * to each server in one call, and a promise is kept only once Redis has answered.
 */
export class StreamWriter {
  readonly #options: WriterOptions;
  readonly #metrics: WriterMetrics;
  readonly #queue: Chunk[] = [];
  #flushesInFlight = 0;
  #openEvents = 0;
  #queuedEvents = 0;
  #isScheduled = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#metrics = writerMetrics(options.metrics);
  }

  /** Events that wait to be stored. */
  get openEvents(): number {
    return this.#openEvents;
  }

  /**
   * Stores the events of one request, in order; resolves when all are stored. Throws `unavailable` when it is
   * not known that they are: repeating the request is safe then.
   */
  append(events: readonly AcceptedEvent[], options: AppendOptions = {}): Promise<AppendResult[]> {
    if (events.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => this.#enqueue(events, options, resolve, reject));
  }

  /** Stores one event, as `append` does. */
  appendOne(event: AcceptedEvent, options: AppendOptions = {}): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      // One event has one result.
      this.#enqueue([event], options, ([result]) => resolve(result as AppendResult), reject);
    });
  }

  /** Waits until everything taken so far is stored or refused. */
  async close(): Promise<void> {
    while (this.#openEvents > 0) await pause(5);
  }

  #enqueue(
    events: readonly AcceptedEvent[],
    { isPlatform = false }: AppendOptions,
    resolve: (results: AppendResult[]) => void,
    reject: (error: unknown) => void,
  ): void {
    const { link, partitions } = this.#options;
    if (this.#openEvents >= maxOpenEvents) {
      reject(link.unavailable());
      return;
    }
    this.#openEvents += events.length;
    const body = new Body(events, resolve, reject, this.#onEnd);
    this.#push(chunksOf(body, partitions, maxChunkEvents, isPlatform));
  }

  readonly #onEnd = (events: number) => {
    this.#openEvents -= events;
  };

  #push(chunks: readonly Chunk[]): void {
    for (const chunk of chunks) {
      this.#queue.push(chunk);
      this.#queuedEvents += chunk.items.length;
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#isDue()) return;
    // Once this turn of the event loop has read what is there.
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #isDue(): boolean {
    if (this.#queue.length === 0 || this.#flushesInFlight >= maxFlushesInFlight) return false;
    return this.#flushesInFlight === 0 || this.#queuedEvents >= gatherEvents;
  }

  #send(): void {
    while (this.#isDue()) {
      const calls = this.#takeCalls();
      if (calls.length === 0) continue;
      this.#flushesInFlight += 1;
      let open = calls.length;
      const onAnswer = () => {
        open -= 1;
        if (open > 0) return;
        this.#flushesInFlight -= 1;
        // Before the answer is read: Redis works on the next flush meanwhile.
        this.#send();
      };
      for (const { node, call } of calls) void this.#run(node, call, onAnswer);
    }
    this.#metrics.openEvents.set(this.#openEvents);
  }

  /** The next flush: one call for each server; on a cluster, whose scripts keep to a slot, a partition. */
  #takeCalls(): NodeCall[] {
    const { link } = this.#options;
    const calls = new Map<Redis | number, NodeCall>();
    let taken = 0;
    let events = 0;
    // With all of many in one flush Redis and this process would take turns, and each wait for the other. But
    // what little were left behind would wait for the end of this flush.
    const isMany = this.#openEvents > manyEvents;
    const half = isMany ? Math.ceil(this.#openEvents / 2) : maxFlushEvents;
    for (const chunk of this.#queue) {
      const isRest = this.#queuedEvents <= restEvents;
      const most = isRest ? maxFlushEvents : Math.min(maxFlushEvents, half);
      if (events > 0 && events + chunk.items.length > most) break;
      taken += 1;
      this.#queuedEvents -= chunk.items.length;
      if (chunk.body.isFailed) continue;
      const node = link.nodeOf(chunk.partition);
      if (node === null) {
        chunk.body.fail(link.unavailable());
        continue;
      }
      events += chunk.items.length;
      const place = link.isCluster ? chunk.partition : node;
      let known = calls.get(place);
      if (known === undefined) {
        known = { node, call: new AppendCall() };
        calls.set(place, known);
      }
      known.call.add(chunk);
    }
    this.#queue.splice(0, taken);
    return [...calls.values()];
  }

  async #run(node: Redis, call: AppendCall, onAnswer: () => void): Promise<void> {
    const { link, keys, sliceMs = usualSliceMs } = this.#options;
    const { fingerprintKey } = link;
    const startedAt = performance.now();
    const unknown = new Map<Chunk, Item[]>();
    const counts = { stored: 0, duplicate: 0, conflict: 0, too_many_merchants: 0, failed: 0 };
    const reader = {
      event: (chunk: Chunk, item: Item, outcome: AppendOutcome) => {
        if (outcome.kind === "unknown_merchant") {
          const items = unknown.get(chunk);
          if (items === undefined) unknown.set(chunk, [item]);
          else items.push(item);
          return;
        }
        counts[outcome.kind] += 1;
        chunk.body.settle(item.place, outcome);
      },
      failure: (chunk: Chunk, error: Error) => {
        counts.failed += chunk.items.length;
        chunk.body.fail(link.unavailable(error));
      },
    };
    let answers: string[] | Error;
    try {
      const command = call.command({
        sha: appendSha,
        sliceMs,
        isCluster: link.isCluster,
        fingerprintKey,
        streamOf: (partition) => keys.events(partition),
      });
      // The script answers one text for each partition.
      answers = (await node.sendCommand(command)) as string[];
    } catch (error) {
      // Whatever it was, a server that is as it was found takes calls; so it is looked at anew.
      link.recheck();
      answers = error instanceof Error ? error : new Error(String(error));
    }
    onAnswer();
    if (answers instanceof Error) call.fail(answers, reader);
    else call.read(answers, reader);
    this.#observe(call, startedAt, counts);
    for (const chunk of call.chunks()) {
      const items = unknown.get(chunk);
      if (items !== undefined && chunk.isAdmitted) {
        chunk.body.fail(new Error("a merchant that was admitted is not known"));
      } else if (items !== undefined) void this.#admit(chunk, items);
      else if (chunk.next !== null && !chunk.body.isFailed) this.#push([chunk.next]);
    }
  }

  #observe(call: AppendCall, startedAt: number, counts: Readonly<Record<string, number>>): void {
    this.#metrics.flushSeconds.observe((performance.now() - startedAt) / 1_000);
    this.#metrics.flushEvents.observe(call.eventCount);
    for (const [result, count] of Object.entries(counts)) {
      if (count > 0) this.#metrics.events.inc({ result }, count);
    }
  }

  /** Counts new merchants among their tenant's, and sends their events again, still in order. */
  async #admit(chunk: Chunk, items: readonly Item[]): Promise<void> {
    const { link, merchants } = this.#options;
    const admitted: Item[] = [];
    try {
      for (const [tenantId, own] of Map.groupBy(items, (item) => item.event.tenantId)) {
        const known = await merchants.admit(tenantId, [...new Set(own.map((item) => item.event.merchant))]);
        for (const item of own) {
          if (known.has(item.event.merchant)) admitted.push(item);
          else chunk.body.settle(item.place, { kind: "too_many_merchants" });
        }
      }
    } catch (error) {
      return chunk.body.fail(link.unavailable(error));
    }
    this.#metrics.events.inc({ result: "too_many_merchants" }, items.length - admitted.length);
    if (admitted.length > 0) this.#push([{ ...chunk, items: admitted, isAdmitted: true }]);
    else if (chunk.next !== null) this.#push([chunk.next]);
  }
}
