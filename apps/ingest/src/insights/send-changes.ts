import { type HandedMessage, MessagesAnswer, messagesPath } from "@payflow/contracts/internal-notifier.ts";
import type { InternalClient } from "@payflow/service-kit/http/internal-client.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { readHealth, withoutPending, writeHealth } from "./detection/health.ts";
import type { TenantFigures } from "./tenant-figures.store.ts";

export interface SendChanges {
  readonly figures: TenantFigures;
  readonly notifier: InternalClient;
  readonly logger: Logger;
  readonly told: ReturnType<typeof toldCounter>;
}

/** What notifier was told of processors, by event and by what it made of it. */
export function toldCounter(metrics: Metrics) {
  return metrics.counter("payflow_insights_changes_total", "Changes told to notifier, by its answer.", [
    "event",
    "status",
  ]);
}

/** Messages of one call. */
const messagesAtOnce = 100;
const timeoutMs = 10_000;

/**
 * Tells notifier what is pending for these owners, and takes from the set those of whom nothing is left. What
 * is told is forgotten only then: a repeat has the same ids, and notifier tells it once. Throws while it is
 * away.
 */
export async function sendChanges(
  deps: SendChanges,
  owners: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  for (const owner of [...owners]) {
    if (signal.aborted) return;
    const { health } = await deps.figures.read(owner, []);
    const { pending } = readHealth(health);
    for (let at = 0; at < pending.length; at += messagesAtOnce) {
      const messages = pending.slice(at, at + messagesAtOnce);
      await tell(deps, messages);
      await forget(deps, owner, new Set(messages.map((message) => message.event_id)));
    }
    owners.delete(owner);
  }
}

async function tell(deps: SendChanges, messages: readonly HandedMessage[]): Promise<void> {
  const body = { source: "ingest", messages };
  const { results } = await deps.notifier.call("POST", messagesPath, body, {
    answer: MessagesAnswer,
    timeoutMs,
  });
  for (const [index, { event, event_id }] of messages.entries()) {
    const { status = "invalid", detail } = results[index] ?? {};
    deps.told.inc({ event, status });
    // It would be refused each time: what is wrong with it is a bug of ours.
    if (status === "invalid") deps.logger.error({ event, event_id, detail }, "notifier refused a change");
  }
}

/** Takes messages from an owner's pending ones, whatever else changes meanwhile. */
async function forget(deps: SendChanges, owner: string, eventIds: ReadonlySet<string>): Promise<void> {
  for (;;) {
    const { version, at, health } = await deps.figures.read(owner, []);
    const left = writeHealth(withoutPending(readHealth(health), eventIds));
    if (await deps.figures.change(owner, version, { at, health: left, records: new Map() })) return;
  }
}
