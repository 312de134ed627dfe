import type { EntryReference } from "@payflow/service-kit/streams/consumer.ts";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import type { ExportRow } from "../row.ts";
import type { Boundary } from "./boundary.ts";
import { createEncoder, extensions, type FileFormat } from "./formats/encoder.ts";

/** When a file is closed: whichever comes first. Bytes are of the events' text. */
export interface FileLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export interface FileNaming {
  readonly exporter: string;
  readonly format: FileFormat;
  readonly prefix: string;
}

/** The name of the file whose first entry this is: no other file of the exporter ever has it. */
function filePath(naming: FileNaming, first: Pick<StreamEntry, "partition" | "id">): string {
  const partition = String(first.partition).padStart(3, "0");
  const name = `${naming.exporter}-${partition}-${first.id}.${extensions[naming.format]}`;
  return naming.prefix === "" ? name : `${naming.prefix}/${name}`;
}

/** A file that rows are still being added to, in memory, compressed. */
export class OpenFile {
  readonly path: string;
  /** Entries of the partition that were taken before it was begun. */
  readonly begunAt: number;
  readonly #openedAt = performance.now();
  readonly #entries: EntryReference[] = [];
  readonly #encoder;
  readonly #expected: Boundary | null;
  readonly #tenants: Map<string, string>;
  #pieces: readonly Uint8Array[] | undefined;
  #bytes = 0;

  /** With `expected` it becomes that very file again, however the limits are now. */
  constructor(naming: FileNaming, first: StreamEntry, begunAt: number, expected: Boundary | null) {
    this.begunAt = begunAt;
    this.path = filePath(naming, first);
    this.#encoder = createEncoder(naming.format);
    this.#expected = expected;
    this.#tenants = new Map();
  }

  get entries(): readonly EntryReference[] {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get firstId(): string {
    return this.#entries[0]?.id ?? "";
  }

  get lastId(): string {
    return this.#entries.at(-1)?.id ?? "";
  }

  /** Whether it has a boundary of its own, and is closed by nothing else. */
  get isExpected(): boolean {
    return this.#expected !== null;
  }

  add(row: ExportRow): void {
    const { id, tenantId, mode } = row.entry;
    // Texts of a reply keep all of it in memory; a tenant's id is kept once.
    const known = this.#tenants.get(tenantId);
    if (known === undefined) this.#tenants.set(tenantId, tenantId);
    this.#entries.push({ id, tenantId: known ?? tenantId, mode });
    this.#bytes += row.entry.event.length;
    this.#encoder.add(row);
  }

  isComplete(limits: FileLimits): boolean {
    if (this.#expected !== null) return this.lastId === this.#expected.last;
    return this.#entries.length >= limits.maxRows || this.#bytes >= limits.maxBytes;
  }

  isOld(limits: FileLimits): boolean {
    return this.#expected === null && performance.now() - this.#openedAt >= limits.maxAgeMs;
  }

  /** The whole file. No row is added afterwards. */
  pieces(): readonly Uint8Array[] {
    this.#pieces ??= this.#encoder.finish();
    return this.#pieces;
  }
}
