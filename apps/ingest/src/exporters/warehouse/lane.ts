import type { HeldPartition } from "@payflow/service-kit/streams/consumer.ts";
import { type Place, targetName } from "../exporter.ts";
import type { ExportRow } from "../row.ts";
import type { BoundariesStore } from "./boundaries.store.ts";
import type { Boundary } from "./boundary.ts";
import type { FileFormat } from "./formats/encoder.ts";
import { type FileLimits, OpenFile } from "./open-file.ts";
import type { ParkingStore } from "./parking.store.ts";
import type { ExportTarget } from "./targets/target.ts";

/** The rows of one partition that go to one place, in order, file after file. */
export interface Lane {
  /**
   * What is held of rows that `finish` may end, and how many entries had been taken before the first of them;
   * a file with a boundary of its own ends only there.
   */
  readonly held: { readonly rows: number; readonly bytes: number; readonly since: number };
  take(row: ExportRow): Promise<void>;
  /** Ends the file being filled; with a place of the exporter's own, returns once it is stored. */
  finish(): Promise<void>;
  /** Whether all rows up to this entry are there: then a file with a boundary of its own is whole. */
  passed(entryId: string): Promise<void>;
  /** What is due by time. */
  tick(): Promise<void>;
  /** Stores what is held, once, as far as that goes before the signal. */
  close(): Promise<void>;
}

export interface LaneContext {
  readonly exporter: string;
  readonly format: FileFormat;
  readonly limits: FileLimits;
  readonly partition: HeldPartition;
  readonly boundaries: BoundariesStore;
  /** Entries of the partition that were taken so far, for all lanes. */
  readonly taken: () => number;
  /** The number of the next boundary that is written down. */
  readonly nextNumber: () => number;
  readonly parking: ParkingStore;
  readonly targetOf: (place: Place) => ExportTarget;
  /** Given when the consumer is closed, at the latest a while after. */
  readonly ending: AbortSignal;
  /** Tells what the exporter waits for, or that it no longer does. */
  readonly onTrouble: (error: unknown, tenantId?: string) => void;
  readonly onStored: (files: number, rows: number, bytes: number) => void;
  /** From the first failure of a tenant's own target to its parking. */
  readonly parkAfterMs: number;
}

/** Whose rows the files of a lane have, and where they go. */
export interface LaneRows {
  /** Nothing for the rows of all. */
  readonly tenantId: string;
  readonly place: Place;
  /** Of a file that may have been stored already: under it this lane is to store it again. */
  readonly expected?: Boundary | null;
  /** Tenants whose rows stand elsewhere; nobody when left out. */
  readonly without?: () => readonly string[];
}

/** The files of one lane: which is being filled, and how one is stored. */
export class LaneFiles {
  readonly #context: LaneContext;
  readonly #rows: LaneRows;
  readonly #target: ExportTarget;
  #expected: Boundary | null;
  current: OpenFile | null = null;

  constructor(context: LaneContext, rows: LaneRows) {
    this.#context = context;
    this.#rows = rows;
    this.#target = context.targetOf(rows.place);
    this.#expected = rows.expected ?? null;
  }

  get expected(): Boundary | null {
    return this.#expected;
  }

  /** A file that begins with this row. */
  begin(row: ExportRow): OpenFile {
    const { exporter, format, taken } = this.#context;
    const expected = this.#expected?.first === row.entry.id ? this.#expected : null;
    const naming = { exporter, format, prefix: this.#rows.place.prefix };
    const file = new OpenFile(naming, row.entry, taken(), expected);
    file.add(row);
    return file;
  }

  /** Writes the boundary down, and then the file itself. Both may be done again. */
  async put(file: OpenFile, signal: AbortSignal): Promise<void> {
    if (this.#expected?.first !== file.firstId) await this.#record(file);
    const pieces = file.pieces();
    await Promise.race([this.#target.put(file.path, pieces, signal), rejectedBy(signal)]);
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#context.onStored(1, file.entries.length, bytes);
  }

  /** The file is stored: its entries are done. */
  async finish(file: OpenFile): Promise<void> {
    await this.#context.boundaries.finish(file.path, file.entries);
    this.#expected = null;
  }

  /** The file is stored, and its entries were parked ones that are gone from the parking by now. */
  forget(): void {
    this.#expected = null;
  }

  async #record(file: OpenFile): Promise<void> {
    const { boundaries, nextNumber, format } = this.#context;
    const { tenantId, place, without = () => [] } = this.#rows;
    const boundary: Boundary = {
      number: nextNumber(),
      tenantId,
      first: file.firstId,
      last: file.lastId,
      rows: file.entries.length,
      target: targetName(place.target),
      prefix: place.prefix,
      format,
      without: without(),
    };
    await boundaries.record(file.path, boundary);
    this.#expected = boundary;
  }
}

/** A disk that hangs cannot be interrupted, nor need be waited for: what it does late is the same file. */
function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const refuse = () => reject(new Error("the file was given up"));
    if (signal.aborted) refuse();
    else signal.addEventListener("abort", refuse, { once: true });
  });
}

/** Whether a file that was begun stands where these settings lead. */
export function isAt(boundary: Boundary, { target, prefix }: Place, format: FileFormat): boolean {
  return boundary.target === targetName(target) && boundary.prefix === prefix && boundary.format === format;
}
