import { leaseTable } from "../../src/lease.ts";
import { outboxTable } from "../../src/outbox/outbox.ts";

/** The kit's own tables, as an app takes them into its schema. */
export const outbox = outboxTable;
export const lease = leaseTable;
