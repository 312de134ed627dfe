import { derivedId } from "@payflow/contracts/ids.ts";
import {
  type HandedMessage,
  MessagesAnswer,
  maxMessages,
  messagesPath,
  WantedAnswer,
  wantedPath,
} from "@payflow/contracts/internal-notifier.ts";
import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";
import { eachBatch } from "@payflow/service-kit/streams/each-batch.ts";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import { scopeIdOf } from "../../events/canonical.ts";
import { readRow, streamIdOf } from "../row.ts";

export interface WebhookConsumer {
  readonly notifier: InternalClient;
  readonly onTrouble: (error: unknown) => void;
}

const event = "payment_exhaust.received" as const;
const timeoutMs = 10_000;
/** Characters of one call's events; notifier takes a body of four times that. */
const maxCharacters = 1024 * 1024;

/**
 * Hands events to notifier, which sends them to the endpoints of their tenants that ask for them. While
 * notifier is away they wait, without limit; one that is handed over twice is sent once.
 */
export function webhookConsumer(deps: WebhookConsumer) {
  return eachBatch(async (entries) => {
    try {
      const isWanted = await wanted(deps, entries);
      for (const part of inParts(entries.filter(isWanted))) await handOver(deps, part);
      deps.onTrouble(null);
    } catch (error) {
      deps.onTrouble(error);
      throw error;
    }
  });
}

const ownerOf = ({ tenantId, mode }: StreamEntry) => `${tenantId}/${mode}`;

/** Asks once for each tenant and mode, so that events which nobody wants are not even sent. */
async function wanted({ notifier }: WebhookConsumer, entries: readonly StreamEntry[]) {
  const owners = new Map(entries.map((entry) => [ownerOf(entry), entry]));
  const answers = new Map<string, boolean>();
  const names = [...owners.keys()];
  for (let at = 0; at < names.length; at += maxMessages) {
    const part = names.slice(at, at + maxMessages);
    const events = part.flatMap((name) => {
      const owner = owners.get(name);
      return owner === undefined ? [] : [{ tenant_id: owner.tenantId, mode: owner.mode, event }];
    });
    const { wanted } = await notifier.call(
      "POST",
      wantedPath,
      { events },
      { answer: WantedAnswer, timeoutMs },
    );
    for (const [index, name] of part.entries()) answers.set(name, wanted[index] === true);
  }
  return (entry: StreamEntry) => answers.get(ownerOf(entry)) === true;
}

function* inParts(entries: readonly StreamEntry[]): Generator<readonly StreamEntry[]> {
  let part: StreamEntry[] = [];
  let characters = 0;
  for (const entry of entries) {
    if (part.length >= maxMessages || (part.length > 0 && characters + entry.event.length > maxCharacters)) {
      yield part;
      part = [];
      characters = 0;
    }
    part.push(entry);
    characters += entry.event.length;
  }
  if (part.length > 0) yield part;
}

async function handOver({ notifier }: WebhookConsumer, entries: readonly StreamEntry[]): Promise<void> {
  const { results } = await notifier.call(
    "POST",
    messagesPath,
    { source: "ingest", messages: entries.map(toMessage) },
    { answer: MessagesAnswer, timeoutMs },
  );
  const refused = results.find((result) => result.status === "invalid");
  // In a batch this leads to the entries one by one, and so to the one that is refused.
  if (refused !== undefined) throw new Error(`notifier refuses the message: ${refused.detail ?? "invalid"}`);
}

function toMessage(entry: StreamEntry): HandedMessage {
  const { tenantId, mode, merchant, eventId } = entry;
  return {
    // The same whenever this event is told again; a day later the caller's id may stand for another one.
    event_id: derivedId("evt", [tenantId, mode, merchant, scopeIdOf(eventId), String(entry.sequence)]),
    event,
    tenant_id: tenantId,
    mode,
    sequence: entry.sequence,
    data: { stream_id: streamIdOf(entry), payment_exhaust: readRow(entry).event },
  };
}
