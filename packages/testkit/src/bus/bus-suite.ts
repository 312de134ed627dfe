import { afterAll, beforeAll, describe } from "bun:test";
import { deliveryTests } from "./delivery-tests.ts";
import { failureTests } from "./failure-tests.ts";
import type { BusHarness } from "./harness.ts";
import { outageTests } from "./outage-tests.ts";
import { replicaTests } from "./replica-tests.ts";
import { busTest } from "./space.ts";

/** What every adapter of the event bus promises. Outages are short unless PAYFLOW_THOROUGH=1 is set. */
export function busContractSuite(name: string, createHarness: () => Promise<BusHarness>): void {
  describe(`event bus on ${name}`, () => {
    let harness: BusHarness | undefined;
    beforeAll(async () => {
      harness = await createHarness();
    }, 60_000);
    afterAll(() => harness?.close());
    const test = busTest(() => {
      if (harness === undefined) throw new Error("the harness is not up");
      return harness;
    });
    deliveryTests(test);
    failureTests(test);
    replicaTests(test);
    outageTests(test);
  });
}
