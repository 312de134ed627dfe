import path from "node:path";
import { type DatabaseDefinition, platformDatabases, repositoryRoot } from "../stores/databases.ts";

/** One app as the supervisor sees it. */
export interface AppDefinition {
  readonly name: string;
  /** Its place in the port plan: public port = base + place. */
  readonly place: number;
  /** The file that Bun runs. */
  readonly main: string;
}

/** What an installation consists of, besides its stores. */
export interface Platform {
  readonly apps: readonly AppDefinition[];
  readonly databases: readonly DatabaseDefinition[];
}

// Places are part of the public contract.
const appNames = ["payment", "ledger", "notifier", "tenant", "fraud", "ingest"];

export const platform: Platform = {
  apps: appNames.map((name, place) => ({
    name,
    place,
    main: path.join(repositoryRoot, "apps", name, "src/main.ts"),
  })),
  databases: platformDatabases,
};

/** The app of this name; throws where there is none. */
export function findApp(platform: Platform, name: string): AppDefinition {
  const found = platform.apps.find((one) => one.name === name);
  if (found === undefined) throw new Error(`There is no app of the name ${name}.`);
  return found;
}

/** Every app as often as it runs, the replicas counted from 1. */
export function replicasOf(platform: Platform, count: number): { app: AppDefinition; replica: number }[] {
  return platform.apps.flatMap((app) =>
    Array.from({ length: count }, (_, index) => ({ app, replica: index + 1 })),
  );
}
