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

/** What makes tenants, keys, endpoints and policies of Kubernetes resources. It has no public routes. */
export const operator: AppDefinition = {
  name: "operator",
  place: 9,
  main: path.join(repositoryRoot, "operator/src/main.ts"),
};

/** The app of this name, or the operator; throws where there is none. */
export function findApp(platform: Platform, name: string): AppDefinition {
  const found = [...platform.apps, operator].find((one) => one.name === name);
  if (found === undefined) throw new Error(`There is no app of the name ${name}.`);
  return found;
}

/** Every app as often as it runs, the replicas counted from 1, and the operator where there is one. */
export function replicasOf(
  platform: Platform,
  settings: { readonly replicas: number; readonly operator: boolean },
): { app: AppDefinition; replica: number }[] {
  const ofApps = platform.apps.flatMap((app) =>
    Array.from({ length: settings.replicas }, (_, index) => ({ app, replica: index + 1 })),
  );
  return settings.operator ? [...ofApps, { app: operator, replica: 1 }] : ofApps;
}
