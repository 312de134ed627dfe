import { compareEntryIds } from "@payflow/service-kit/store/entry-id.ts";
import type { FileFormat } from "./formats/encoder.ts";

/**
 * Which rows a file has, written down before the file gets its name. Whoever writes the file again, after a
 * crash or in another process, gives it the same rows, whatever the limits and the time then are: so no other
 * file ever has one of them.
 */
export interface Boundary {
  /** Counts a partition's files as they are written down: where two could have an entry, the first has it. */
  readonly number: number;
  /** Whose rows it has, where they are one tenant's; nothing for the rows of all. */
  readonly tenantId: string;
  readonly first: string;
  readonly last: string;
  readonly rows: number;
  /** Where the file stands; settings may lead elsewhere by now. */
  readonly target: string;
  readonly prefix: string;
  readonly format: FileFormat;
  /** Tenants whose entries between first and last stand elsewhere. */
  readonly without: readonly string[];
}

/** Whether an entry is one of a file's rows, unless an earlier file has it. */
export function isWithin(
  boundary: Boundary,
  entry: { readonly id: string; readonly tenantId: string },
): boolean {
  return (
    (boundary.tenantId === "" || boundary.tenantId === entry.tenantId) &&
    compareEntryIds(entry.id, boundary.first) >= 0 &&
    compareEntryIds(entry.id, boundary.last) <= 0 &&
    !boundary.without.includes(entry.tenantId)
  );
}
