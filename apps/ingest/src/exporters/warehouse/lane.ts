import { createHash } from "node:crypto";
import type { HeldPartition } from "@payflow/service-kit/streams/consumer.ts";
import { type Place, targetIdentity } from "../exporter.ts";
import type { BoundariesStore } from "./boundaries.store.ts";
import type { Boundary } from "./boundary.ts";
import type { FileFormat } from "./formats/encoder.ts";
import { type FileLimits, OpenFile } from "./open-file.ts";
import type { ParkingStore } from "./parking.store.ts";
import type { ExportRow } from "./row.ts";
import type { ExportTarget } from "./targets/target.ts";

/** The rows of one partition that go to one place, in order, file after file. */
export interface Lane {
  /** What is held of rows that `finish` may end; a file with a boundary of its own ends only there. */
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

/** The files of one lane: which is being filled, and how one is stored. */
export class LaneFiles {
  readonly #context: LaneContext;
  readonly #name: string;
  readonly #place: Place;
  readonly #placeId: string;
  readonly #without: () => readonly string[];
  readonly #target: ExportTarget;
  #expected: Boundary | null;
  current: OpenFile | null = null;

  /** `name` is the tenant's id, nothing for the exporter's own; `recorded` the last boundary written down. */
  constructor(
    context: LaneContext,
    name: string,
    place: Place,
    recorded: Boundary | undefined,
    without: () => readonly string[],
  ) {
    this.#context = context;
    this.#name = name;
    this.#place = place;
    this.#placeId = placeId(context, place);
    this.#without = without;
    this.#target = context.targetOf(place);
    this.#expected = recorded?.place === this.#placeId ? recorded : null;
  }

  /** The file that a process before this one may have stored without saying so. */
  get expected(): Boundary | null {
    return this.#expected;
  }

  /** A file that begins with this row. */
  begin(row: ExportRow): OpenFile {
    const { exporter, format } = this.#context;
    const expected = this.#expected?.first === row.entry.id ? this.#expected : null;
    const file = new OpenFile({ exporter, format, prefix: this.#place.prefix }, row.entry, expected);
    file.add(row);
    return file;
  }

  /** Writes the boundary down, and then the file itself. Both may be done again. */
  async put(file: OpenFile, signal: AbortSignal): Promise<void> {
    const { boundaries, onStored } = this.#context;
    const without = this.#without();
    if (!file.isExpected) {
      await boundaries.record(this.#name, {
        first: file.firstId,
        last: file.lastId,
        rows: file.entries.length,
        place: this.#placeId,
        without,
      });
    }
    const pieces = file.pieces();
    await Promise.race([this.#target.put(file.path, pieces, signal), rejectedBy(signal)]);
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    onStored(1, file.entries.length, bytes);
  }

  /** The next file is another one. */
  forgetExpected(): void {
    this.#expected = null;
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

/** Tells whether two settings lead to the same files. */
function placeId({ exporter, format }: LaneContext, place: Place): string {
  const parts = [exporter, format, targetIdentity(place.target), place.prefix];
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 16);
}
