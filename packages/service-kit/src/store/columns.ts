import { bigint, customType, timestamp } from "drizzle-orm/pg-core";

/** Text compared byte by byte: faster than by a language's rules, and TypeIDs keep their order in time. */
export const byteText = customType<{ data: string; driverData: string }>({
  dataType: () => 'text collate "C"',
});

export const bytea = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });

/** A moment to the millisecond, as the APIs show it. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: "date" });

/** An amount in minor units, or a count: both stay below 2^53. */
export const wholeNumber = (name: string) => bigint(name, { mode: "number" });
