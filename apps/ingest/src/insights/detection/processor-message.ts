import type { Mode } from "@payflow/contracts/access.ts";
import { derivedId } from "@payflow/contracts/ids.ts";
import type { HandedMessage } from "@payflow/contracts/internal-notifier.ts";
import type { ProcessorEvent, ProcessorEventData } from "@payflow/contracts/processor-events.ts";
import { clusterParts, type ProcessorCounts } from "../figures/counts.ts";
import { minuteText, type Span } from "../figures/windows.ts";
import { type Degraded, failureRate, type RecoveryReason, type Sample } from "./judge.ts";

/** Whose processors: one tenant's in one mode. */
export interface Owner {
  readonly tenantId: string;
  readonly mode: Mode;
}

/** What a message tells besides its verdict. */
export interface Judged {
  readonly owner: Owner;
  readonly processor: string;
  readonly window: Span;
  readonly now: Sample;
  readonly state: Degraded;
}

const mostClusters = 5;

/** Tells that a processor has degraded, and where most of its failures lie. */
export function degradedMessage(judged: Judged, counts: ProcessorCounts): HandedMessage {
  const clusters = [...counts.cells.cluster].sort(([, left], [, right]) => right.failures - left.failures);
  return message("processor.degraded", judged, {
    ...figures(judged),
    failure_rate: failureRate(judged.now),
    failure_clusters: clusters.slice(0, mostClusters).map(([name, { failures }]) => {
      const [category, geography, method] = clusterParts(name);
      return { category, geography, method, failures };
    }),
  });
}

/** Tells that a processor has recovered, or that nothing more is known of it. */
export function recoveredMessage(judged: Judged, reason: RecoveryReason): HandedMessage {
  return message("processor.recovered", judged, {
    ...figures(judged),
    failure_rate: judged.now.outcomes === 0 ? null : failureRate(judged.now),
    reason,
    recovered_at: minuteText(judged.window.to),
  });
}

function message<E extends ProcessorEvent>(
  event: E,
  { owner, processor, window }: Judged,
  data: ProcessorEventData<E>,
): HandedMessage {
  return {
    event,
    // Whoever judges this window, and however often, says the same under the same id.
    event_id: derivedId("evt", [event, owner.tenantId, owner.mode, processor, minuteText(window.to)]),
    tenant_id: owner.tenantId,
    mode: owner.mode,
    sequence: null,
    data,
  };
}

function figures({ processor, window, now, state }: Judged) {
  return {
    processor,
    window_from: minuteText(window.from),
    window_to: minuteText(window.to),
    outcomes: now.outcomes,
    failures: now.failures,
    baseline: state.baseline && { ...state.baseline, failure_rate: failureRate(state.baseline) },
    degraded_at: minuteText(state.since),
  };
}
