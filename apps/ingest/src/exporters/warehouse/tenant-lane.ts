import { LeaseLost } from "@payflow/service-kit/concurrency/finish-batch.ts";
import { backoffMs } from "@payflow/service-kit/concurrency/retry.ts";
import { compareEntryIds } from "@payflow/service-kit/store/entry-id.ts";
import type { EntryReference } from "@payflow/service-kit/streams/consumer.ts";
import { type ExportRow, readRow } from "../row.ts";
import type { Lane, LaneContext, LaneFiles } from "./lane.ts";
import type { OpenFile } from "./open-file.ts";
import type { ParkedEntry } from "./parking.store.ts";

const backoff = { firstMs: 500, maxMs: 15_000 };
/** Full files that may wait for a tenant's target before its rows are parked. */
const maxSealed = 2;

interface Attempt {
  readonly startedAt: number;
  readonly giveUp: AbortController;
  /** From here on it cannot be given up any more: it is about to be acknowledged. */
  isStoring: boolean;
  done: Promise<void>;
}

/**
 * A lane to a tenant's own target. It stores in the background, so that nobody waits for that target. While
 * that is away the tenant's rows are moved to the tenant's parking, whence they go out in order, before newer
 * ones, once it is back.
 */
export class TenantLane implements Lane {
  readonly #context: LaneContext;
  readonly #files: LaneFiles;
  readonly #tenantId: string;
  readonly #sealed: OpenFile[] = [];
  #isParked: boolean;
  #isMoving = false;
  #toPark: EntryReference[] = [];
  #attempt: Attempt | null = null;
  #failingSince: number | null = null;
  #failures = 0;
  #nextTryAt = 0;

  constructor(context: LaneContext, files: LaneFiles, tenantId: string, isParked: boolean) {
    this.#context = context;
    this.#files = files;
    this.#tenantId = tenantId;
    this.#isParked = isParked;
  }

  get isParked(): boolean {
    return this.#isParked;
  }

  get held() {
    const { current } = this.#files;
    const files = [...this.#sealed, ...(current === null || current.isExpected ? [] : [current])];
    return {
      rows: files.reduce((sum, file) => sum + file.entries.length, 0),
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      since: files[0]?.begunAt ?? Number.POSITIVE_INFINITY,
    };
  }

  async take(row: ExportRow): Promise<void> {
    if (this.#isParked) {
      const { id, tenantId, mode } = row.entry;
      this.#toPark.push({ id, tenantId, mode });
      return;
    }
    await this.#endExpected(row.entry.id, 1);
    if (this.#files.current === null) this.#files.current = this.#files.begin(row);
    else this.#files.current.add(row);
    if (this.#files.current.isComplete(this.#context.limits)) await this.finish();
  }

  async finish(): Promise<void> {
    const { current } = this.#files;
    if (current === null) return;
    this.#sealed.push(current);
    this.#files.current = null;
    if (this.#sealed.length > maxSealed) await this.#park();
    else this.#begin((attempt) => this.#storeSealed(attempt));
  }

  async passed(entryId: string): Promise<void> {
    if (this.#toPark.length > 0) {
      const entries = this.#toPark;
      this.#toPark = [];
      await this.#move(entries);
    }
    await this.#endExpected(entryId, 0);
  }

  async tick(): Promise<void> {
    if (this.#isParked) return this.#begin((attempt) => this.#drainParking(attempt));
    if (this.#files.current?.isOld(this.#context.limits)) await this.finish();
    // A target that gives no answer at all is as good as away.
    const troubledSince = this.#failingSince ?? this.#attempt?.startedAt ?? Number.POSITIVE_INFINITY;
    const isLate = this.#sealed.length > 0 && this.#isOver(troubledSince + this.#context.parkAfterMs);
    if (isLate) await this.#park();
    else if (this.#sealed.length > 0) this.#begin((attempt) => this.#storeSealed(attempt));
  }

  async close(): Promise<void> {
    this.#attempt?.giveUp.abort();
    await this.#attempt?.done;
    if (this.#isParked || this.#context.ending.aborted) return;
    const { current } = this.#files;
    if (current !== null && !current.isExpected) {
      this.#sealed.push(current);
      this.#files.current = null;
    }
    this.#nextTryAt = 0;
    this.#begin((attempt) => this.#storeSealed(attempt));
    // Set by `#begin`, which the compiler does not see.
    await (this.#attempt as Attempt | null)?.done;
  }

  /** The file with a boundary of its own ends with that, whatever is missing from it. */
  async #endExpected(entryId: string, least: number): Promise<void> {
    const { current, expected } = this.#files;
    if (current?.isExpected && expected !== null && compareEntryIds(entryId, expected.last) >= least) {
      await this.finish();
    }
  }

  #isOver(time: number): boolean {
    return performance.now() >= time;
  }

  /** Starts work in the background unless some is under way or it is too early. */
  #begin(work: (attempt: Attempt) => Promise<void>): void {
    if (this.#attempt !== null || !this.#isOver(this.#nextTryAt)) return;
    const attempt: Attempt = {
      startedAt: performance.now(),
      giveUp: new AbortController(),
      isStoring: false,
      done: Promise.resolve(),
    };
    this.#attempt = attempt;
    attempt.done = work(attempt)
      .then(
        () => this.#succeed(),
        (error: unknown) => this.#fail(error, attempt),
      )
      .finally(() => {
        if (this.#attempt === attempt) this.#attempt = null;
      });
  }

  #succeed(): void {
    this.#context.onTrouble(null, this.#tenantId);
    this.#failingSince = null;
    this.#failures = 0;
  }

  #fail(error: unknown, attempt: Attempt): void {
    if (error instanceof LeaseLost || attempt.giveUp.signal.aborted) return;
    this.#failures += 1;
    this.#failingSince ??= performance.now();
    this.#nextTryAt = performance.now() + backoffMs(backoff, this.#failures);
    this.#context.partition.report(error, "transient");
    this.#context.onTrouble(error, this.#tenantId);
  }

  async #storeSealed(attempt: Attempt): Promise<void> {
    for (let file = this.#sealed[0]; file !== undefined; file = this.#sealed[0]) {
      await this.#files.put(file, this.#signalOf(attempt));
      if (attempt.giveUp.signal.aborted) return;
      attempt.isStoring = true;
      await this.#files.finish(file);
      this.#sealed.shift();
      attempt.isStoring = false;
    }
  }

  #signalOf(attempt: Attempt): AbortSignal {
    return AbortSignal.any([this.#context.ending, attempt.giveUp.signal]);
  }

  async #park(): Promise<void> {
    const attempt = this.#attempt;
    if (attempt?.isStoring) await attempt.done;
    else attempt?.giveUp.abort();
    this.#isParked = true;
    const files = [...this.#sealed.splice(0), ...(this.#files.current === null ? [] : [this.#files.current])];
    this.#files.current = null;
    await this.#move(files.flatMap((file) => file.entries));
  }

  async #move(entries: readonly EntryReference[]): Promise<void> {
    this.#isMoving = true;
    await this.#context.parking.move(this.#tenantId, entries);
    this.#isMoving = false;
  }

  /** Exports what is parked, file by file, until nothing is left; from then on rows go straight out again. */
  async #drainParking(attempt: Attempt): Promise<void> {
    for (;;) {
      const { file, entries } = await this.#gather();
      if (file !== null) await this.#files.put(file, this.#signalOf(attempt));
      const left = await this.#context.parking.release(this.#tenantId, entries, file?.path ?? "");
      this.#files.forget();
      if (left === 0 && !this.#isMoving && this.#toPark.length === 0) {
        this.#isParked = false;
        return;
      }
    }
  }

  /** The next file of what is parked, and the entries that are in it. */
  async #gather(): Promise<{ file: OpenFile | null; entries: ParkedEntry[] }> {
    const entries: ParkedEntry[] = [];
    let file: OpenFile | null = null;
    for (let after: string | null = null; ; ) {
      const page: readonly ParkedEntry[] = await this.#context.parking.read(this.#tenantId, after);
      for (const one of page) {
        const row = readRow(one.entry);
        const { expected } = this.#files;
        const isBehind =
          file?.isExpected && expected !== null && compareEntryIds(one.entry.id, expected.last) > 0;
        if (isBehind) return { file, entries };
        if (file === null) file = this.#files.begin(row);
        else file.add(row);
        entries.push(one);
        if (file.isComplete(this.#context.limits)) return { file, entries };
      }
      after = page.at(-1)?.parkedId ?? null;
      if (after === null) return { file, entries };
    }
  }
}
