import { eventBusTable } from "../../src/bus-change/recorded-bus.ts";
import { outboxTable } from "../../src/outbox/outbox.ts";
import { leaseTable } from "../../src/store/lease.ts";

/** The kit's own tables, as an app takes them into its schema. */
export const outbox = outboxTable;
export const lease = leaseTable;
export const eventBus = eventBusTable;
