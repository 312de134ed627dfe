import { compareEntryIds } from "@payflow/service-kit/store/entry-id.ts";
import type { CloseReason, HeldPartition, PartitionConsumer } from "@payflow/service-kit/streams/consumer.ts";
import type { StreamEntry } from "@payflow/service-kit/streams/entry.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import { type Place, placesOf, targetName } from "../exporter.ts";
import type { WarehouseExporter } from "../exporter-settings.ts";
import { type ExportRow, readRow, UnreadableEvent } from "../row.ts";
import { createBoundariesStore } from "./boundaries.store.ts";
import { type Boundary, isWithin } from "./boundary.ts";
import { isAt, type Lane, type LaneContext, LaneFiles } from "./lane.ts";
import { OwnLane } from "./own-lane.ts";
import { createParkingStore } from "./parking.store.ts";
import type { ExportTarget } from "./targets/target.ts";
import { TenantLane } from "./tenant-lane.ts";

export interface WarehouseConsumer {
  readonly name: string;
  readonly settings: WarehouseExporter;
  readonly keys: StreamKeys;
  readonly targetOf: (place: Place) => ExportTarget;
  readonly parkAfterMs: number;
  readonly onTrouble: (error: unknown, tenantId?: string) => void;
  readonly onStored: (files: number, rows: number, bytes: number) => void;
}

/** Entries that may go by a file with few rows before it is closed, at the least. */
const mostPassedBy = 20_000;
/** What closing may take for storing the files that are open. */
const closingMs = 8_000;

/** Writes a partition's entries to files, each file with its rows acknowledged in one step. */
export function warehouseConsumer(deps: WarehouseConsumer) {
  return (partition: HeldPartition): PartitionConsumer => new WarehousePartition(deps, partition);
}

class WarehousePartition implements PartitionConsumer {
  readonly #partition: HeldPartition;
  readonly #ending = new AbortController();
  readonly #context: LaneContext;
  readonly #places;
  readonly #tenants = new Map<string, OwnLane | TenantLane>();
  /** Files that may have been stored already, in the order in which their boundaries were written down. */
  #recorded: { readonly boundary: Boundary; readonly lane: Lane }[] = [];
  #number = 0;
  #taken = 0;
  #own: OwnLane | undefined;
  #loading: Promise<OwnLane> | undefined;

  constructor(deps: WarehouseConsumer, partition: HeldPartition) {
    const { settings } = deps.settings;
    this.#partition = partition;
    this.#places = placesOf(deps.settings);
    this.#context = {
      exporter: deps.name,
      format: settings.format,
      limits: {
        maxRows: settings.max_rows ?? 20_000,
        maxBytes: settings.max_bytes ?? 16 * 1024 * 1024,
        maxAgeMs: (settings.max_age_seconds ?? 60) * 1_000,
      },
      partition,
      boundaries: createBoundariesStore(deps.keys, partition),
      taken: () => this.#taken,
      nextNumber: () => {
        this.#number += 1;
        return this.#number;
      },
      parking: createParkingStore(deps.keys, partition),
      targetOf: deps.targetOf,
      ending: this.#ending.signal,
      onTrouble: deps.onTrouble,
      onStored: deps.onStored,
      parkAfterMs: deps.parkAfterMs,
    };
  }

  async take(entries: readonly StreamEntry[]): Promise<void> {
    const own = await this.#load();
    for (const entry of entries) {
      const row = await this.#read(entry);
      if (row !== null) await this.#laneOf(entry, own).take(row);
      this.#taken += 1;
    }
    const last = entries.at(-1);
    if (last !== undefined) await this.#pass(last.id, own);
    await this.#keepWithinBounds(own);
  }

  /** All entries up to this one were taken: files that may have been stored already have their rows. */
  async #pass(entryId: string, own: OwnLane): Promise<void> {
    for (const lane of this.#lanes(own)) await lane.passed(entryId);
    if (this.#recorded.length === 0) return;
    this.#recorded = this.#recorded.filter(({ boundary }) => compareEntryIds(entryId, boundary.last) < 0);
  }

  async tick(): Promise<void> {
    const own = await this.#load();
    for (const lane of this.#lanes(own)) await lane.tick();
    for (const [tenantId, lane] of this.#tenants) {
      // One that only had something parked from earlier settings.
      const isOver = lane instanceof TenantLane && !lane.isParked && lane.held.rows === 0;
      if (isOver && !this.#places.tenants.has(tenantId)) this.#tenants.delete(tenantId);
    }
  }

  async close(reason: CloseReason): Promise<void> {
    if (reason === "lost") this.#ending.abort();
    const limit = setTimeout(() => this.#ending.abort(), closingMs);
    const own = this.#own;
    const lanes = own === undefined ? [] : [...this.#lanes(own)];
    const closing = reason === "lost" ? [] : lanes.map((lane) => lane.close());
    for (const result of await Promise.allSettled(closing)) {
      // What was not stored is taken by the next holder, from the same place on.
      if (result.status === "rejected") this.#partition.report(result.reason, "transient");
    }
    clearTimeout(limit);
    this.#ending.abort();
  }

  #load(): Promise<OwnLane> {
    this.#loading ??= this.#open();
    return this.#loading;
  }

  async #open(): Promise<OwnLane> {
    const recorded = await this.#context.boundaries.load();
    const parked = await this.#context.parking.tenants();
    this.#number = recorded.at(-1)?.boundary.number ?? 0;
    for (const { path, boundary } of recorded) {
      const lane = this.#laneAgain(boundary, parked);
      if (lane === null) await this.#context.boundaries.forget(path);
      else this.#recorded.push({ boundary, lane });
    }
    for (const tenantId of parked) {
      if (!this.#tenants.has(tenantId)) this.#tenants.set(tenantId, this.#tenantLane(tenantId, true));
    }
    const without = () => [...new Set([...this.#places.tenants.keys(), ...this.#tenants.keys()])];
    const files = new LaneFiles(this.#context, { tenantId: "", place: this.#places.own, without });
    this.#own = new OwnLane(this.#context, files);
    return this.#own;
  }

  /**
   * The lane that ends a file as it was begun, whatever the settings are now; null where they lead to another
   * target, which begins an export of its own.
   */
  #laneAgain(boundary: Boundary, parked: ReadonlySet<string>): Lane | null {
    const { tenantId, format, prefix } = boundary;
    const { own, tenants } = this.#places;
    const place = tenants.get(tenantId) ?? own;
    const isParked = parked.has(tenantId);
    if ((place.isTenants || isParked) && isAt(boundary, place, this.#context.format)) {
      const lane = this.#tenantLane(tenantId, isParked, boundary);
      this.#tenants.set(tenantId, lane);
      return lane;
    }
    if (isParked || boundary.target !== targetName(own.target)) return null;
    const context = { ...this.#context, format };
    const rows = { tenantId, place: { ...own, prefix }, expected: boundary };
    return new OwnLane(context, new LaneFiles(context, rows));
  }

  #tenantLane(tenantId: string, isParked: boolean, expected: Boundary | null = null): OwnLane | TenantLane {
    const place = this.#places.tenants.get(tenantId) ?? this.#places.own;
    const files = new LaneFiles(this.#context, { tenantId, place, expected });
    if (!place.isTenants && !isParked) return new OwnLane(this.#context, files);
    return new TenantLane(this.#context, files, tenantId, isParked);
  }

  #lanes(own: OwnLane): ReadonlySet<Lane> {
    return new Set([...this.#recorded.map(({ lane }) => lane), own, ...this.#tenants.values()]);
  }

  /** An entry goes into the first file that had it already; any other where the settings lead now. */
  #laneOf(entry: StreamEntry, own: OwnLane): Lane {
    const recorded = this.#recorded.find(({ boundary }) => isWithin(boundary, entry));
    if (recorded !== undefined) return recorded.lane;
    const { tenantId } = entry;
    const known = this.#tenants.get(tenantId);
    if (known !== undefined) return known;
    if (!this.#places.tenants.has(tenantId)) return own;
    const lane = this.#tenantLane(tenantId, false);
    this.#tenants.set(tenantId, lane);
    return lane;
  }

  async #read(entry: StreamEntry): Promise<ExportRow | null> {
    try {
      return readRow(entry);
    } catch (error) {
      if (!(error instanceof UnreadableEvent)) throw error;
      this.#partition.report(error, "event", entry);
      const now = new Date().toISOString();
      const failure = { tries: 1, reason: `${error.name}: ${error.message}` };
      await this.#partition.bury(entry, { ...failure, firstFailedAt: now, lastFailedAt: now });
      return null;
    }
  }

  /**
   * All files of a partition together are bounded, however many places its tenants have. One with few rows
   * does not stay open while many go by: those are all remembered one by one until it is stored.
   */
  async #keepWithinBounds(own: OwnLane): Promise<void> {
    const { maxRows, maxBytes } = this.#context.limits;
    const lanes = [...this.#lanes(own)]
      .filter((lane) => lane.held.rows > 0)
      .toSorted((left, right) => left.held.since - right.held.since);
    let rows = lanes.reduce((sum, lane) => sum + lane.held.rows, 0);
    let bytes = lanes.reduce((sum, lane) => sum + lane.held.bytes, 0);
    for (const lane of lanes) {
      const { held } = lane;
      const isPassedBy = this.#taken - held.since > Math.max(2 * maxRows, mostPassedBy);
      const isTooMuch = rows > 2 * maxRows || bytes > 2 * maxBytes;
      if (!isPassedBy && !isTooMuch) return;
      rows -= held.rows;
      bytes -= held.bytes;
      await lane.finish();
    }
  }
}
