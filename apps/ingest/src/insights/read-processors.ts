import type { TenantContext } from "@payflow/contracts/access.ts";
import { readHealth } from "./detection/health.ts";
import type { Degraded } from "./detection/judge.ts";
import { countsOf } from "./figures/counted-blocks.ts";
import { addCounts, type Counts } from "./figures/counts.ts";
import { readRecord } from "./figures/counts-text.ts";
import {
  blocksIn,
  minuteOf,
  type Span,
  slotOf,
  type WindowName,
  windowSpans,
  windows,
} from "./figures/windows.ts";
import type { PartitionMinutes } from "./partition-minutes.store.ts";
import type { TenantFigures } from "./tenant-figures.store.ts";

export interface ReadProcessors {
  readonly minutes: PartitionMinutes;
  readonly figures: TenantFigures;
}

/** What is known of a tenant's processors in one mode over a window, and over the one before it. */
export interface ProcessorsReading {
  readonly window: WindowName;
  readonly spans: { readonly current: Span; readonly previous: Span };
  /** When this was read, by Redis's clock, and up to when everything that arrived is part of it. */
  readonly readAt: Date;
  readonly countedUntil: Date;
  readonly current: Counts;
  readonly previous: Counts;
  readonly degraded: ReadonlyMap<string, Degraded>;
}

/**
 * Minutes that are not part of the tenants' records yet are few, unless nobody brought them together for
 * long: an answer then leaves out the oldest of them, rather than that it costs more.
 */
const mostOpenMinutes = 180;

/**
 * Adds up a tenant's figures: the minutes that are over from its own records, and those that are not from the
 * partitions. Throws what Redis throws while it is away.
 */
export async function readProcessors(
  deps: ReadProcessors,
  { tenantId, mode }: Pick<TenantContext, "tenantId" | "mode">,
  window: WindowName,
): Promise<ProcessorsReading> {
  const owner = `${tenantId}/${mode}`;
  const { minute: rolled, nowMs } = await deps.figures.rolled();
  const spans = windowSpans(window, minuteOf(nowMs));
  const { current, previous } = spans;
  const { level } = windows[window];
  const blocks = { current: blocksIn(level, current), previous: blocksIn(level, previous) };
  const fields = [...blocks.previous, ...blocks.current].map((block) => slotOf(level, block));
  const open: number[] = [];
  const first = Math.max(rolled, previous.from, current.to - mostOpenMinutes);
  for (let minute = first; minute < current.to; minute += 1) open.push(minute);
  const [stored, live] = await Promise.all([
    deps.figures.read(owner, fields),
    deps.minutes.live(owner, open),
  ]);
  const counts = {
    current: countsOf(stored.records, level, blocks.current),
    previous: countsOf(stored.records, level, blocks.previous),
  };
  for (const text of live.texts) {
    const record = readRecord(text);
    // It came into the records between the two answers.
    if (record.minute <= stored.at) continue;
    addCounts(record.minute >= current.from ? counts.current : counts.previous, record.counts);
  }
  return {
    window,
    spans,
    readAt: new Date(nowMs),
    countedUntil: new Date(Math.min(live.countedUntilMs, nowMs)),
    ...counts,
    degraded: readHealth(stored.health).degraded,
  };
}

const freshMs = 1_000;
const mostKept = 1_000;

/** Reads as `readProcessors` does, and answers the same for a second, however many ask. */
export function processorsReader(deps: ReadProcessors) {
  const known = new Map<string, { readonly untilMs: number; readonly reading: Promise<ProcessorsReading> }>();
  return (
    tenant: Pick<TenantContext, "tenantId" | "mode">,
    window: WindowName,
  ): Promise<ProcessorsReading> => {
    const name = `${tenant.tenantId}/${tenant.mode}/${window}`;
    const nowMs = performance.now();
    const kept = known.get(name);
    if (kept !== undefined && kept.untilMs > nowMs) return kept.reading;
    if (known.size >= mostKept) known.clear();
    const reading = readProcessors(deps, tenant, window);
    known.set(name, { untilMs: nowMs + freshMs, reading });
    // A failure is told to those who wait for it, and to nobody after.
    reading.catch(() => known.delete(name));
    return reading;
  };
}
