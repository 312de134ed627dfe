import { LeaseLost } from "@payflow/service-kit/concurrency/finish-batch.ts";
import { backoffMs, pause } from "@payflow/service-kit/concurrency/retry.ts";
import { compareEntryIds } from "@payflow/service-kit/store/entry-id.ts";
import type { ExportRow } from "../row.ts";
import type { Lane, LaneContext, LaneFiles } from "./lane.ts";
import type { OpenFile } from "./open-file.ts";

const backoff = { firstMs: 200, maxMs: 5_000 };

/**
 * A lane to the exporter's own target; with a boundary, for the one file that has it. While the target is
 * away the whole partition waits, without limit: nothing is lost, and nothing is a dead letter.
 */
export class OwnLane implements Lane {
  readonly #context: LaneContext;
  readonly #files: LaneFiles;

  constructor(context: LaneContext, files: LaneFiles) {
    this.#context = context;
    this.#files = files;
  }

  get held() {
    const { current } = this.#files;
    const file = current?.isExpected ? null : current;
    return {
      rows: file?.entries.length ?? 0,
      bytes: file?.bytes ?? 0,
      since: file?.begunAt ?? Number.POSITIVE_INFINITY,
    };
  }

  async take(row: ExportRow): Promise<void> {
    await this.#endBefore(row.entry.id);
    if (this.#files.current === null) this.#files.current = this.#files.begin(row);
    else this.#files.current.add(row);
    if (this.#files.current.isComplete(this.#context.limits)) await this.finish();
  }

  async finish(): Promise<void> {
    const { current } = this.#files;
    if (current === null) return;
    await this.#store(current);
    this.#files.current = null;
  }

  async passed(entryId: string): Promise<void> {
    const { current, expected } = this.#files;
    if (current?.isExpected && expected !== null && compareEntryIds(entryId, expected.last) >= 0) {
      await this.finish();
    }
  }

  async tick(): Promise<void> {
    if (this.#files.current?.isOld(this.#context.limits)) await this.finish();
  }

  async close(): Promise<void> {
    const { current } = this.#files;
    // A file with a boundary of its own is stored whole or not at all.
    if (current !== null && !current.isExpected) await this.finish();
  }

  /** Rows that are missing from a boundary were taken out by hand; those behind it begin another file. */
  async #endBefore(entryId: string): Promise<void> {
    const { current, expected } = this.#files;
    if (current?.isExpected && expected !== null && compareEntryIds(entryId, expected.last) > 0) {
      await this.finish();
    }
  }

  async #store(file: OpenFile): Promise<void> {
    const { partition, ending, onTrouble } = this.#context;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#files.put(file, ending);
        await this.#files.finish(file);
        return onTrouble(null);
      } catch (error) {
        if (error instanceof LeaseLost || partition.signal.aborted) throw error;
        partition.report(error, "transient");
        onTrouble(error);
        await pause(backoffMs(backoff, attempt), partition.signal);
        if (partition.signal.aborted) throw error;
      }
    }
  }
}
