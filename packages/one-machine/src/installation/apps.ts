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
