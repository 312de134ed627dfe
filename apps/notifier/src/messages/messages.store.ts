import type { HandedSource } from "@payflow/contracts/internal-notifier.ts";
import type { Sql } from "@payflow/service-kit/store/database.ts";
import { lines } from "@payflow/service-kit/store/lines.ts";
import type { Message } from "./message.ts";

/** A delivery to queue: which of the messages it carries, by its place from 0, and to which endpoint. */
export interface PlannedDelivery {
  readonly deliveryId: string;
  readonly place: number;
  readonly endpointId: string;
}

/** Who hands messages over; an event is told once per source. */
export type MessageSource = "bus" | "test" | HandedSource;

export type MessagesStore = ReturnType<typeof createMessagesStore>;

/** Adds messages and their deliveries to the queue, once each. */
export function createMessagesStore(sql: Sql) {
  return {
    /** Which enabled endpoints want which of the messages. */
    async match(
      messages: readonly Pick<Message, "tenantId" | "mode" | "event">[],
    ): Promise<readonly { readonly place: number; readonly endpointId: string }[]> {
      return await sql<{ place: number; endpointId: string }[]>`
        select (m.place - 1)::integer as place, e.id as "endpointId"
          from unnest(${messages.map((one) => one.tenantId)}::text[],
                      ${messages.map((one) => one.mode)}::text[],
                      ${messages.map((one) => one.event)}::text[])
               with ordinality as m (tenant_id, mode, event, place)
          join endpoint e on e.tenant_id = m.tenant_id and e.mode = m.mode and e.deleted_at is null
         where e.enabled and e.draining_at is null and m.event = any (e.events)`;
    },

    /**
     * Queues messages with their deliveries, unless they are known already; returns how many deliveries were
     * added.
     */
    async enqueue(
      source: MessageSource,
      messages: readonly Message[],
      deliveries: readonly PlannedDelivery[],
    ): Promise<number> {
      const [row] = await sql<{ added: number }[]>`
        select enqueue_deliveries(${source},
          ${messages.map((one) => one.tenantId)}::text[], ${messages.map((one) => one.mode)}::text[],
          ${messages.map((one) => one.eventId)}::text[], ${messages.map((one) => one.event)}::text[],
          string_to_array(${lines(messages.map((one) => one.body))}, E'\n', ''),
          ${messages.map((one) => one.requestId)}::text[],
          ${messages.map((one) => one.traceparent)}::text[],
          ${deliveries.map((one) => one.deliveryId)}::text[],
          ${deliveries.map((one) => one.place + 1)}::integer[],
          ${deliveries.map((one) => one.endpointId)}::text[]) as added`;
      return row?.added ?? 0;
    },
  };
}
