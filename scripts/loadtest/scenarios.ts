import { promises, type ScenarioName } from "../../loadtest/run/promises.ts";
import type { Amount } from "../../loadtest/run/settings.ts";
import type { Extra } from "./extras/extra.ts";
import { grantedPayments } from "./extras/granted-payments.ts";
import { hookReceiver } from "./extras/hook-receiver.ts";
import { ledgerOutage } from "./extras/ledger-outage.ts";
import { memoryWatch } from "./extras/memory-watch.ts";

/** How a file of `loadtest/` is run on this machine. */
export interface LoadScenario {
  /** What `./payflow loadtest` does. */
  readonly long: Amount;
  /** What `./payflow test` does. */
  readonly short: Amount;
  /** What is done beside the load, and looked at after it. */
  readonly extra?: Extra;
}

export const scenarios: Readonly<Record<ScenarioName, LoadScenario>> = {
  payments: { long: { rate: 200, seconds: 60 }, short: { rate: 50, seconds: 4 } },
  "idempotency-storm": { long: { rate: 40, seconds: 60 }, short: { rate: 10, seconds: 4 } },
  "refund-race": { long: { rate: 20, seconds: 60 }, short: { rate: 5, seconds: 4 } },
  "ingest-single": { long: { rate: 500, seconds: 60 }, short: { rate: 100, seconds: 4 } },
  "ingest-batch": { long: { rate: 50, seconds: 60 }, short: { rate: 20, seconds: 4 } },
  "webhook-fan-out": {
    long: { rate: 50, seconds: 60 },
    short: { rate: 20, seconds: 4 },
    extra: hookReceiver,
  },
  "lag-recovery": { long: { rate: 100, seconds: 90 }, short: { rate: 40, seconds: 6 }, extra: ledgerOutage },
  "tenant-fairness": {
    long: { rate: 220, seconds: 60 },
    short: { rate: 110, seconds: 4 },
    extra: grantedPayments,
  },
  soak: { long: { rate: 50, seconds: 600 }, short: { rate: 20, seconds: 4 }, extra: memoryWatch },
};

// The table's own keys, which is all that Object.keys gives of it.
export const scenarioNames = Object.keys(promises) as readonly ScenarioName[];

/** The scenario of a name that a person gave. Throws with all names where there is none. */
export function scenarioNamed(name: string): ScenarioName {
  const found = scenarioNames.find((one) => one === name);
  if (found !== undefined) return found;
  throw new Error(`There is no load test ${name}; there is ${scenarioNames.join(", ")}.`);
}
