import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { databaseUrl, durableRedisUrl, type Wiring } from "@payflow/one-machine/installation/environment.ts";
import { PortPlan } from "@payflow/one-machine/installation/port-plan.ts";
import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import { type RecordedProcess, runningRecord } from "@payflow/one-machine/installation/state.ts";

/** An installation on this machine that is put under load. */
export interface Target {
  readonly adminToken: string;
  readonly durableRedisUrl: string;
  /** An app's public base URL. */
  url(app: string): string;
  /** The internal routes of each of an app's replicas. */
  replicaUrls(app: string): string[];
  /** A database as its superuser sees it. */
  databaseUrl(name: string): string;
  /** What runs just now, stores too. */
  processes(): readonly RecordedProcess[];
}

/** An installation that this program has started. */
export function ownTarget(running: RunningInstallation): Target {
  const { replicas } = running.installation.settings;
  return {
    adminToken: running.adminToken,
    durableRedisUrl: running.durableRedisUrl,
    url: (app) => running.url(app),
    replicaUrls: (app) => Array.from({ length: replicas }, (_, index) => running.replicaUrl(app, index + 1)),
    databaseUrl: (name) => running.databaseUrl(name, "superuser"),
    processes: () => running.installation.processes(),
  };
}

/** The installation that runs on a state folder. Throws when none does. */
export function runningTarget(state: string): Target {
  const record = runningRecord(state);
  if (record === null || !existsSync(path.join(state, "secrets.json"))) {
    throw new Error(`Nothing runs in ${state}; start it with ./payflow up, or leave out --state.`);
  }
  const { portBase, replicas } = record.settings;
  const ports = new PortPlan(portBase);
  const wiring: Wiring = {
    platform,
    ports,
    secrets: JSON.parse(readFileSync(path.join(state, "secrets.json"), "utf8")),
  };
  const appOf = (name: string) => {
    const found = platform.apps.find((one) => one.name === name);
    if (found === undefined) throw new Error(`There is no app of the name ${name}.`);
    return found;
  };
  const local = (port: number) => `http://127.0.0.1:${port}`;
  return {
    adminToken: wiring.secrets.adminToken,
    durableRedisUrl: durableRedisUrl(wiring),
    url: (app) => local(ports.public(appOf(app))),
    replicaUrls: (app) =>
      Array.from({ length: replicas }, (_, index) => local(ports.replica(appOf(app), index + 1))),
    databaseUrl: (name) => databaseUrl(wiring, name, "superuser"),
    processes: () => runningRecord(state)?.processes ?? [],
  };
}
