import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { newId } from "@payflow/contracts/ids.ts";
import { retry } from "@payflow/service-kit/concurrency/retry.ts";
import { isRetriableTransaction } from "@payflow/service-kit/store/database.ts";
import { type Message, toMessage } from "./message.ts";
import type { MessageSource, MessagesStore } from "./messages.store.ts";

export interface AcceptEvents {
  readonly messages: MessagesStore;
  /** Called once deliveries are committed, so that they are sent at once. */
  readonly onQueued: (added: number) => void;
}

/** Queues a delivery of each event for each endpoint that wants it. An event seen before adds nothing. */
export async function acceptEvents(deps: AcceptEvents, events: readonly EventEnvelope[]): Promise<void> {
  const all = events.map(toMessage).filter((message): message is Message => message !== null);
  await acceptMessages(deps, "bus", all);
}

/**
 * Queues a delivery of each message for each endpoint that wants it, once per source, tenant, mode and event
 * id. Returns the places, from 0, of the messages that any endpoint wants.
 */
export async function acceptMessages(
  deps: AcceptEvents,
  source: MessageSource,
  all: readonly Message[],
): Promise<ReadonlySet<number>> {
  const matches = all.length === 0 ? [] : await deps.messages.match(all);
  // Most events may concern nobody: then nothing at all is written.
  if (matches.length === 0) return new Set();
  const places = new Map(
    [...new Set(matches.map((match) => match.place))].map((place, index) => [place, index]),
  );
  const wanted = [...places.keys()].flatMap((place) => all[place] ?? []);
  const deliveries = matches.map((match) => ({
    deliveryId: newId("dlv"),
    place: places.get(match.place) ?? 0,
    endpointId: match.endpointId,
  }));
  const enqueue = () => deps.messages.enqueue(source, wanted, deliveries);
  const added = await retry(enqueue, isRetriableTransaction, { firstMs: 5, maxMs: 100, attempts: 6 });
  if (added > 0) deps.onQueued(added);
  return new Set(places.keys());
}
