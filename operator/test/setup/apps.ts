import { platform } from "@payflow/one-machine/installation/apps.ts";
import {
  type RunningInstallation,
  type StartOptions,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";

/** Those that the operator writes to, and what takes payments. */
const names = ["tenant", "payment", "fraud", "notifier"];

/** The real apps on free ports, with stores of their own that do not wait for the disk. */
export function startApps(
  options: Pick<StartOptions, "env" | "replicas"> = {},
): Promise<RunningInstallation> {
  return startInstallation({
    ...options,
    isDurable: false,
    platform: {
      apps: platform.apps.filter(({ name }) => names.includes(name)),
      databases: platform.databases.filter(({ name }) => [...names, "processor"].includes(name)),
    },
  });
}
