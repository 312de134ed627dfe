import { merchantKey, partitionOf } from "@payflow/service-kit/streams/keys.ts";
import type { AcceptedEvent } from "../../events/event.ts";
import type { AppendResult } from "../writer.ts";

/** The events of one request, and who waits for them. */
export class Body {
  readonly events: readonly AcceptedEvent[];
  readonly #results: AppendResult[];
  readonly #resolve: (results: AppendResult[]) => void;
  readonly #reject: (error: unknown) => void;
  readonly #onEnd: (events: number) => void;
  #open: number;
  #isFailed = false;

  constructor(
    events: readonly AcceptedEvent[],
    resolve: (results: AppendResult[]) => void,
    reject: (error: unknown) => void,
    onEnd: (events: number) => void,
  ) {
    this.events = events;
    this.#results = new Array(events.length);
    this.#open = events.length;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onEnd = onEnd;
  }

  /** Whether a part could not be stored, so that nobody waits for the others any more. */
  get isFailed(): boolean {
    return this.#isFailed;
  }

  settle(place: number, result: AppendResult): void {
    this.#results[place] = result;
    this.#open -= 1;
    if (this.#open > 0 || this.#isFailed) return;
    this.#onEnd(this.events.length);
    this.#resolve(this.#results);
  }

  fail(error: unknown): void {
    if (this.#isFailed) return;
    this.#isFailed = true;
    this.#onEnd(this.events.length);
    this.#reject(error);
  }
}

/** An event on its way: its place in its body, and the key of its merchant's order. */
export interface Item {
  readonly place: number;
  readonly event: AcceptedEvent;
  readonly merchantKey: string;
}

/**
 * Events of one body and one partition that go out together. The next chunk of the same body and partition
 * goes out once every event of this one is settled: so a merchant's events keep their order, whatever fails.
 */
export interface Chunk {
  readonly body: Body;
  readonly partition: number;
  readonly items: readonly Item[];
  /** Whether its merchants count as known in any case. */
  readonly isAdmitted: boolean;
  /** Whether its events are the platform's own. */
  readonly isPlatform: boolean;
  readonly next: Chunk | null;
}

/** Takes a body apart; returns the first chunk of each partition. */
export function chunksOf(body: Body, partitions: number, maxEvents: number, isPlatform: boolean): Chunk[] {
  const { events } = body;
  const [only] = events;
  // Most requests have one event, and most of what a request costs is what is made for it.
  if (events.length === 1 && only !== undefined) {
    const item = itemOf(only, 0);
    const partition = partitionOf(item.merchantKey, partitions);
    return [{ body, partition, items: [item], isAdmitted: isPlatform, isPlatform, next: null }];
  }
  const byPartition = new Map<number, Item[]>();
  for (const [place, event] of events.entries()) {
    const item = itemOf(event, place);
    const partition = partitionOf(item.merchantKey, partitions);
    const items = byPartition.get(partition);
    if (items === undefined) byPartition.set(partition, [item]);
    else items.push(item);
  }
  return [...byPartition].map(([partition, items]) => {
    const shared = { body, partition, isAdmitted: isPlatform, isPlatform };
    if (items.length <= maxEvents) return { ...shared, items, next: null };
    let next: Chunk | null = null;
    const last = Math.floor((items.length - 1) / maxEvents) * maxEvents;
    for (let from = last; from > 0; from -= maxEvents) {
      next = { ...shared, items: items.slice(from, from + maxEvents), next };
    }
    return { ...shared, items: items.slice(0, maxEvents), next };
  });
}

function itemOf(event: AcceptedEvent, place: number): Item {
  return { place, event, merchantKey: merchantKey(event.tenantId, event.mode, event.merchant) };
}
