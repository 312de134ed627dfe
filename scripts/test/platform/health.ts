import { expect } from "bun:test";
import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { documentedApps } from "./open-api.ts";

/** The status of one of an app's health routes, or of its public `/health`. */
export async function healthOf(
  installation: RunningInstallation,
  app: string,
  route: "/livez" | "/readyz" | "/health",
): Promise<number> {
  const base = route === "/health" ? installation.url(app) : installation.internalUrl(app);
  return (await fetch(base + route, { signal: AbortSignal.timeout(10_000) })).status;
}

/** Waits until every app of the installation is ready, or those that are named, all replicas of them. */
export async function allReady(
  installation: RunningInstallation,
  timeoutMs = 30_000,
  apps: readonly string[] = documentedApps,
): Promise<void> {
  const { replicas } = installation.installation.settings;
  await eventually(
    async () => {
      for (const app of apps) {
        for (let replica = 1; replica <= replicas; replica += 1) {
          const url = `${installation.replicaUrl(app, replica)}/readyz`;
          const { status } = await fetch(url, { signal: AbortSignal.timeout(5_000) });
          expect([app, replica, status]).toEqual([app, replica, 200]);
        }
      }
    },
    { timeoutMs, everyMs: 100 },
  );
}

/** The numbers of the apps' processes: the same before and after means that none was started again. */
export function appPids(installation: RunningInstallation): Record<string, number | null> {
  const apps = installation.installation.processes().filter(({ name }) => !/^(postgres|redis-)/.test(name));
  return Object.fromEntries(apps.map(({ name, pid }) => [name, pid]));
}

/** The sum of a metric's values in one replica, by its internal URL, over those of its labels that match. */
export async function metricOf(internalUrl: string, name: string, labels = /^/): Promise<number> {
  const text = await (await fetch(`${internalUrl}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => new RegExp(`^${name}[ {]`).test(line) && labels.test(line))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
