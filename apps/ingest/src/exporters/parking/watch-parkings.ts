import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { type Rounds, startRounds } from "@payflow/service-kit/work/rounds.ts";
import type { StoragePressure } from "../../streams/pressure.ts";
import type { ParkedStore } from "./parked.store.ts";

const everyMs = 1_000;

/** Has the events of tenants refused of which as much is parked as may be, until there is room again. */
export function watchParkings(deps: {
  readonly parked: ParkedStore;
  readonly pressure: Pick<StoragePressure, "setParkingFull">;
  readonly logger: Logger;
}): Rounds {
  return startRounds({
    logger: deps.logger,
    failure: "full parkings could not be read",
    everyMs,
    round: async () => {
      deps.pressure.setParkingFull("exporters", await deps.parked.full());
      return undefined;
    },
  });
}
