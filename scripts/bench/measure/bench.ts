import type { BusName } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import type { BenchReport } from "../result.ts";

/** How a benchmark is run. */
export interface BenchRun {
  /** Told one line now and then. */
  readonly say: (line: string) => void;
  /** Multiplies how long and how much is measured: 1, or less to see only that everything works. */
  readonly scale: number;
  /** Also measures what takes very long. */
  readonly isThorough: boolean;
  /** Which bus the events go over. */
  readonly bus: BusName;
}

export type Bench = (run: BenchRun) => Promise<BenchReport>;
