import {
  HandedMessage,
  type HandedSource,
  type MessageResult,
} from "@payflow/contracts/internal-notifier.ts";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { WebhookMetrics } from "../queue/webhook-metrics.ts";
import { type AcceptEvents, acceptMessages } from "./accept-events.ts";
import { handedMessage, type Message } from "./message.ts";

export interface HandOver extends AcceptEvents {
  readonly metrics: Pick<WebhookMetrics, "messages">;
}

const check = TypeCompiler.Compile(HandedMessage);

/**
 * Takes messages that another app has for tenants' endpoints, once per source, tenant, mode and event id, and
 * tells each one's result in their order. A wrong one spoils no other; one that nobody wants writes nothing.
 */
export async function handOver(
  deps: HandOver,
  source: HandedSource,
  given: readonly unknown[],
): Promise<readonly MessageResult[]> {
  const fit = new Map<string, Message>();
  const keys = given.map((one) => {
    if (!check.Check(one)) return null;
    const key = `${one.tenant_id}/${one.mode}/${one.event_id}`;
    if (!fit.has(key)) fit.set(key, handedMessage(one));
    return key;
  });
  const messages = [...fit.values()];
  const places = await acceptMessages(deps, source, messages);
  const queued = new Set([...fit.keys()].filter((_, place) => places.has(place)));
  for (const [place, message] of messages.entries()) {
    if (places.has(place)) deps.metrics.messages.inc({ event: message.event });
  }
  return keys.map((key, index) => {
    if (key === null) return { status: "invalid", detail: problemOf(given[index]) };
    return { status: queued.has(key) ? "queued" : "unwanted" };
  });
}

function problemOf(given: unknown): string {
  const problem = check.Errors(given).First();
  return `${problem?.path || "/"}: ${problem?.message ?? "is not a message"}`;
}
