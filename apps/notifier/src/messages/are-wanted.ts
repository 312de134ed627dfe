import type { WantedBody } from "@payflow/contracts/internal-notifier.ts";
import type { Static } from "@sinclair/typebox";
import type { MessagesStore } from "./messages.store.ts";

/** Tells of each tenant's event, in order, whether any endpoint of the tenant asks for it at this moment. */
export async function areWanted(
  deps: { readonly messages: MessagesStore },
  events: Static<typeof WantedBody>["events"],
): Promise<readonly boolean[]> {
  const matches = await deps.messages.match(
    events.map((one) => ({ tenantId: one.tenant_id, mode: one.mode, event: one.event })),
  );
  const wanted = new Set(matches.map((match) => match.place));
  return events.map((_, place) => wanted.has(place));
}
