import type { Report, Truth } from "../../../loadtest/run/report.ts";
import type { Amount } from "../../../loadtest/run/settings.ts";
import type { Target } from "../target.ts";

/** What was found beside a load. */
export interface Finding {
  readonly truths: readonly Truth[];
  readonly figures: readonly { readonly name: string; readonly value: number }[];
}

/** Something that goes on while k6 sends its load. */
export interface RunningExtra {
  /** What the scenario needs to know of it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Told when k6 has ended, with what it saw; what was found. */
  finish(report: Report): Promise<Finding>;
  /** Puts everything back; called whatever happened. */
  stop(): Promise<void>;
}

/** Begins beside k6. The load itself begins about a second later. */
export type Extra = (target: Target, amount: Amount) => Promise<RunningExtra>;
