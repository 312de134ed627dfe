import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeWhole } from "@payflow/one-machine/installation/state.ts";

/** What a user sets by flags; kept, so that kubeconfigs that were handed out stay right. */
export interface ClusterSettings {
  /** Of the API; the next three are the cluster's too. */
  readonly port: number;
  /** Whether it has a node, on which pods run, and stores for them. */
  readonly node: boolean;
}

/** What an earlier `cluster up` kept in the cluster's folder; null before the first. */
export function readClusterSettings(folder: string): ClusterSettings | null {
  const file = settingsFile(folder);
  return existsSync(file) ? { node: false, ...JSON.parse(readFileSync(file, "utf8")) } : null;
}

/** Keeps the settings for the next `cluster up`. */
export function writeClusterSettings(folder: string, settings: ClusterSettings): void {
  writeWhole(settingsFile(folder), `${JSON.stringify(settings, null, 2)}\n`);
}

const settingsFile = (folder: string) => path.join(folder, "settings.json");
