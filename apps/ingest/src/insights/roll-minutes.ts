import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { type Health, isWell, judgeOwner, readHealth, writeHealth } from "./detection/health.ts";
import type { Thresholds } from "./detection/judge.ts";
import type { Owner } from "./detection/processor-message.ts";
import { compact } from "./figures/compact.ts";
import { countsOf } from "./figures/counted-blocks.ts";
import { addCounts, type Counts } from "./figures/counts.ts";
import { readRecord, writeRecord } from "./figures/counts-text.ts";
import { blockOf, blocksIn, judgedLevels, judgedSpans, levels, minuteOf, slotOf } from "./figures/windows.ts";
import type { PartitionMinutes } from "./partition-minutes.store.ts";
import type { StoredFigures, TenantFigures } from "./tenant-figures.store.ts";

export interface RollMinutes {
  readonly minutes: PartitionMinutes;
  readonly figures: TenantFigures;
  readonly thresholds: Thresholds;
  readonly logger: Logger;
  /** Called once changes are stored of which notifier is to be told. */
  readonly onPending: (owner: string) => void;
}

/** Minutes before this are in no window any more. */
const memoryMinutes = 49 * 60;
/** A minute counts as over so long after its end, since Redis's clock may be set back a little. */
const graceMs = 2_000;
/** Minutes that are looked at in one call. */
const minutesAtOnce = 60;
/** Owners whose figures are under way together. */
const ownersAtOnce = 50;

/**
 * Brings every minute that is over, and that all partitions have counted, into the tenants' figures, and
 * judges the processors at its end. Whoever does it comes to the same: minutes that are over do not change
 * any more, and each owner takes each minute once.
 */
export async function rollMinutes(deps: RollMinutes, signal: AbortSignal): Promise<void> {
  const { minute: rolled, nowMs } = await deps.figures.rolled();
  const over = minuteOf((await deps.minutes.countedUntilMs()) - graceMs);
  let from = Math.max(rolled, minuteOf(nowMs) - memoryMinutes);
  while (from < over && !signal.aborted) {
    const to = Math.min(from + minutesAtOnce, over);
    const minutes = Array.from({ length: to - from }, (_, index) => from + index);
    let watched = new Set(await deps.figures.watched());
    for (const [index, arrived] of (await deps.minutes.owners(minutes)).entries()) {
      if (signal.aborted) return;
      if (arrived.size + watched.size === 0) continue;
      await rollMinute(deps, from + index, arrived, watched);
      watched = new Set(await deps.figures.watched());
    }
    await deps.figures.advance(to);
    from = to;
  }
}

async function rollMinute(
  deps: RollMinutes,
  minute: number,
  arrived: ReadonlySet<string>,
  watched: ReadonlySet<string>,
): Promise<void> {
  const owners = [...new Set([...arrived, ...watched])];
  for (let at = 0; at < owners.length; at += ownersAtOnce) {
    const chunk = owners.slice(at, at + ownersAtOnce);
    const texts = await deps.minutes.minute(minute, chunk);
    await Promise.all(
      chunk.map((owner) => rollOwner(deps, owner, minute, texts.get(owner) ?? [], watched.has(owner))),
    );
  }
  await deps.figures.advance(minute + 1);
  await deps.minutes.retire(minute);
}

async function rollOwner(
  deps: RollMinutes,
  owner: string,
  minute: number,
  texts: readonly string[],
  isWatched: boolean,
): Promise<void> {
  const arrived = mergeTexts(texts);
  const needed = neededFields(minute);
  for (;;) {
    const stored = await deps.figures.read(owner, needed);
    // Another replica was here before, and is done with this owner.
    if (stored.at >= minute) return;
    const before = readHealth(stored.health);
    const counts = judgedCounts(stored, minute, arrived);
    const health = judgeOwner(ownerOf(owner), before, minute, counts, deps.thresholds);
    // Remembered before it is stored: so no change is ever forgotten that is still to be told.
    if (!isWell(health)) await deps.figures.watch(owner, minute);
    const records = texts.length === 0 ? new Map<string, string>() : addedRecords(stored, minute, arrived);
    const change = { at: minute, health: writeHealth(health), records };
    if (!(await deps.figures.change(owner, stored.version, change))) continue;
    if (isWell(health) && (isWatched || !isWell(before))) await deps.figures.unwatch(owner, minute);
    report(deps, owner, before, health);
    return;
  }
}

function report(deps: RollMinutes, owner: string, before: Health, health: Health): void {
  for (const message of health.pending.slice(before.pending.length)) {
    const about = {
      owner,
      event: message.event,
      event_id: message.event_id,
      processor: message.data.processor,
    };
    deps.logger.info(about, "a processor's health changed");
  }
  if (health.pending.length > 0) deps.onPending(owner);
}

const [, ...summedLevels] = levels;

/** The fields that rolling a minute reads: the records it is added to, and those by which is judged. */
function neededFields(minute: number): string[] {
  const { window, baseline } = judgedSpans(minute);
  const fields = [
    ...summedLevels.map((level) => slotOf(level, blockOf(level, minute))),
    ...blocksIn(judgedLevels.window, window).map((block) => slotOf(judgedLevels.window, block)),
    ...blocksIn(judgedLevels.baseline, baseline).map((block) => slotOf(judgedLevels.baseline, block)),
  ];
  return [...new Set(fields)];
}

function judgedCounts(stored: StoredFigures, minute: number, arrived: Counts) {
  const spans = judgedSpans(minute);
  const window = countsOf(stored.records, judgedLevels.window, blocksIn(judgedLevels.window, spans.window));
  addCounts(window, arrived);
  const baseline = countsOf(
    stored.records,
    judgedLevels.baseline,
    blocksIn(judgedLevels.baseline, spans.baseline),
  );
  return { window, baseline };
}

/** The records of a minute and of the longer spans that it belongs to, with what arrived in it. */
function addedRecords(stored: StoredFigures, minute: number, arrived: Counts): Map<string, string> {
  return new Map(
    levels.map((level) => {
      const block = blockOf(level, minute);
      const counts = countsOf(stored.records, level, level.minutes === 1 ? [] : [block]);
      addCounts(counts, arrived);
      return [slotOf(level, block), writeRecord({ minute: block, counts: compact(counts) })];
    }),
  );
}

function mergeTexts(texts: readonly string[]): Counts {
  const counts: Counts = new Map();
  for (const text of texts) addCounts(counts, readRecord(text).counts);
  return counts;
}

function ownerOf(owner: string): Owner {
  const [tenantId = "", mode] = owner.split("/");
  return { tenantId, mode: mode === "live" ? "live" : "test" };
}
