import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Platform, platform } from "@payflow/one-machine/installation/apps.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type Answer, adminCall } from "../platform/platform.ts";

/** An installation of what events pass through, and the folder that files are exported to. */
export interface IngestInstallation extends RunningInstallation {
  readonly exports: string;
  /** Sets up an exporter, as an admin does. */
  putExporter(name: string, settings: object): Promise<void>;
  /** How an exporter stands, as an admin sees it. */
  readExporter(name: string): Promise<Answer["body"]>;
  /** Waits until a replica is ready, counted from 1. */
  ready(app: string, replica: number): Promise<void>;
}

export interface IngestOptions {
  /**
   * `split`: processes that take events, under the name `ingest`, and others that export them, under
   * `exporter`. `all`: processes that do both, as `./payflow up` starts them.
   */
  readonly roles: "split" | "all";
  readonly replicas: number;
  readonly env?: Readonly<Record<string, string>>;
}

const needed = ["tenant", "notifier", "ingest"];

/** Only the apps that events need; with split roles the exporting processes count as an app of their own. */
function platformOf(roles: IngestOptions["roles"]): Platform {
  const apps = platform.apps.filter(({ name }) => needed.includes(name));
  const ingest = apps.filter(({ name }) => name === "ingest");
  const exporter = ingest.map((app) => ({ ...app, name: "exporter", place: platform.apps.length }));
  return {
    apps: roles === "all" ? apps : [...apps, ...exporter],
    databases: platform.databases.filter(({ name }) => needed.includes(name)),
  };
}

/** Starts it, on ports and in folders of its own. */
export async function startIngest({ roles, replicas, env = {} }: IngestOptions): Promise<IngestInstallation> {
  const exports = mkdtempSync(path.join(tmpdir(), "payflow-exports-"));
  chmodSync(exports, 0o711);
  const roleOf = (app: string) => (roles === "all" ? "all" : app === "exporter" ? "exporter" : "api");
  const running = await startInstallation({
    isDurable: false,
    platform: platformOf(roles),
    replicas,
    env: (app) => ({
      INSTALLED_APPS: needed.join(","),
      INGEST_ROLE: roleOf(app),
      INGEST_EXPORT_FOLDER: exports,
      ...env,
    }),
  });
  return {
    ...running,
    exports,
    async putExporter(name, settings) {
      const { status, text } = await adminCall(running, "ingest", "PUT", `/v1/exporters/${name}`, settings);
      if (status !== 200) throw new Error(`setting up ${name} answered ${status}: ${text}`);
    },
    async readExporter(name) {
      return (await adminCall(running, "ingest", "GET", `/v1/exporters/${name}`)).body;
    },
    async ready(app, replica) {
      const url = `${running.replicaUrl(app, replica)}/readyz`;
      await eventually(async () => (await fetch(url, { signal: AbortSignal.timeout(5_000) })).ok, {
        timeoutMs: 30_000,
      });
    },
    async stop() {
      await running.stop();
      rmSync(exports, { recursive: true, force: true });
    },
  };
}

/** A warehouse that writes lines of JSON into a folder, in files that are closed soon. */
export const warehouse = (folder: string, settings: object = {}) => ({
  kind: "warehouse",
  settings: { format: "ndjson", target: { folder }, max_age_seconds: 1, ...settings },
});
