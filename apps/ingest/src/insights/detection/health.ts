import type { HandedMessage } from "@payflow/contracts/internal-notifier.ts";
import { otherName } from "../figures/compact.ts";
import type { Counts } from "../figures/counts.ts";
import { judgedSpans } from "../figures/windows.ts";
import { type Degraded, judge, type Sample, type Thresholds } from "./judge.ts";
import { degradedMessage, type Owner, recoveredMessage } from "./processor-message.ts";

/** What is known of an owner's processors beyond their figures. */
export interface Health {
  /** Processors in trouble. */
  readonly degraded: ReadonlyMap<string, Degraded>;
  /** What was decided and notifier has not taken yet; stored with the decision, before it is sent. */
  readonly pending: readonly HandedMessage[];
}

export const wellHealth: Health = { degraded: new Map(), pending: [] };

/** The most processors that one owner may have in trouble; further ones are told of when there is room. */
const mostDegraded = 64;
/** With so many messages waiting, nothing more is decided until notifier has taken some. */
const mostPending = 128;

/** Whether there is anything to remember. */
export function isWell(health: Health): boolean {
  return health.pending.length === 0 && health.degraded.size === 0;
}

/**
 * Judges every processor of an owner at the end of a minute: by the counts of the window that ends with it,
 * and of the baseline before. What changes is decided and said in one: the new state holds the messages.
 */
export function judgeOwner(
  owner: Owner,
  health: Health,
  minute: number,
  counts: { readonly window: Counts; readonly baseline: Counts },
  thresholds: Thresholds,
): Health {
  if (health.pending.length >= mostPending) return health;
  const { window } = judgedSpans(minute);
  const degraded = new Map(health.degraded);
  const pending = [...health.pending];
  // What shares a name for want of room is no processor.
  const names = new Set([...counts.window.keys(), ...health.degraded.keys()]);
  names.delete(otherName);
  for (const processor of names) {
    const now = sampleOf(counts.window, processor);
    const state = health.degraded.get(processor);
    const verdict = judge(state, now, sampleOf(counts.baseline, processor), thresholds, window.to);
    if (verdict.kind === "degraded") {
      const found = counts.window.get(processor);
      if (found === undefined || degraded.size >= mostDegraded) continue;
      degraded.set(processor, verdict.state);
      pending.push(degradedMessage({ owner, processor, window, now, state: verdict.state }, found));
    } else if (verdict.kind === "recovered" && state !== undefined) {
      degraded.delete(processor);
      pending.push(recoveredMessage({ owner, processor, window, now, state }, verdict.reason));
    }
  }
  return { degraded, pending };
}

function sampleOf(counts: Counts, processor: string): Sample {
  const found = counts.get(processor);
  return {
    outcomes: found === undefined ? 0 : found.failures + found.successes,
    failures: found?.failures ?? 0,
  };
}

/** The same without a message that notifier has taken. */
export function withoutPending(health: Health, eventIds: ReadonlySet<string>): Health {
  return { ...health, pending: health.pending.filter((one) => !eventIds.has(one.event_id)) };
}

/** The text that is stored; empty where there is nothing to remember. */
export function writeHealth(health: Health): string {
  return isWell(health) ? "" : JSON.stringify({ ...health, degraded: [...health.degraded] });
}

/** Reads back what `writeHealth` wrote; no text is well. */
export function readHealth(text: string | null | undefined): Health {
  if (text === null || text === undefined || text === "") return wellHealth;
  // Nobody but this file writes that text.
  const { degraded, pending } = JSON.parse(text) as Pick<Health, "pending"> & {
    readonly degraded: readonly (readonly [string, Degraded])[];
  };
  return { degraded: new Map(degraded), pending };
}
