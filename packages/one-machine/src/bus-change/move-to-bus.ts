import { BusRecords } from "@payflow/service-kit/bus-change/bus-records.ts";
import type { BusName } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import type { Platform } from "../installation/apps.ts";
import { appEnvironment, databaseUrl, type Wiring } from "../installation/environment.ts";
import { type StoreName, storeProcessName } from "../installation/process-specs.ts";
import { type BusChange, changeBus } from "./change-bus.ts";

/** The installation whose bus is changed. */
export interface MovableInstallation {
  readonly platform: Platform;
  /** Where everything is, with the bus in use. */
  readonly wiring: Wiring;
  processes(): readonly { readonly name: string }[];
  startStore(store: StoreName): Promise<void>;
  stopStore(store: StoreName): Promise<void>;
}

type Move = Omit<BusChange, "from" | "to" | "records" | "oldBus" | "apps"> & {
  /** From now on apps are started for this bus. */
  readonly use: (bus: BusName) => void;
};

/**
 * Takes an installation whose stores run to this bus, unless its databases record it already, or nothing yet.
 * Throws while the old bus holds what was not read. Afterwards Kafka runs only where it is the bus.
 */
export async function moveToBus(
  wanted: BusName,
  installation: MovableInstallation,
  move: Move,
): Promise<void> {
  const { platform, wiring } = installation;
  const databases = platform.databases.map(({ name }) => ({
    name,
    ownerUrl: databaseUrl(wiring, name, "owner"),
  }));
  const records = await BusRecords.open(databases);
  const isKafkaRunning = () => installation.processes().some(({ name }) => name === storeProcessName.kafka);
  try {
    if (!move.isRunning) move.use((await records.settle()) ?? wanted);
    const from = installation.wiring.bus ?? wanted;
    if (from === wanted) return;
    if (!isKafkaRunning()) await installation.startStore("kafka");
    const [app] = platform.apps;
    const oldBus = app === undefined ? {} : appEnvironment(installation.wiring, app, 1);
    await changeBus({
      ...move,
      from,
      to: wanted,
      records,
      oldBus,
      apps: platform.apps.map(({ name }) => name),
    });
    move.use(wanted);
  } finally {
    await records.close();
    if (installation.wiring.bus === "redis") await installation.stopStore("kafka");
  }
}
