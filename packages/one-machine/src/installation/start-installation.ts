import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BusName } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { releasePortBase, reservePortBase } from "../processes/ports.ts";
import { findApp, type Platform } from "./apps.ts";
import { cacheRedisUrl, databaseUrl, durableRedisUrl } from "./environment.ts";
import { Installation } from "./installation.ts";
import { findLoggedSecrets } from "./logged-secrets.ts";
import { removeState } from "./remove-state.ts";
import type { Secrets } from "./secrets.ts";
import { makeStateFolder } from "./state.ts";

export interface StartOptions {
  /** A folder of its own that goes with the installation when left out. */
  readonly state?: string;
  /** Free ports when left out. */
  readonly portBase?: number;
  readonly replicas?: number;
  /** Redis when left out. */
  readonly bus?: BusName;
  /** How long a change of bus waits for the old one to be read to its end; 60 seconds when left out. */
  readonly busChangeMs?: number;
  /** Settings for every app, or for one replica, that differ from those of `./payflow up`. */
  readonly env?:
    | Readonly<Record<string, string>>
    | ((app: string, replica: number) => Readonly<Record<string, string>>);
  readonly platform?: Platform;
  /** Whether the operator runs too, by the kubeconfig in the state folder's cluster folder. */
  readonly operator?: boolean;
  /**
   * False in tests that kill processes but never the power: PostgreSQL does not wait for the disk. True if
   * left out.
   */
  readonly isDurable?: boolean;
  readonly say?: (line: string) => void;
}

export interface RunningInstallation {
  /** For the signals, the single processes and the stores. */
  readonly installation: Installation;
  readonly state: string;
  readonly adminToken: string;
  readonly secrets: Secrets;
  /** The app's public base URL. */
  url(app: string): string;
  internalUrl(app: string): string;
  /** The internal routes of one replica, counted from 1. */
  replicaUrl(app: string, replica: number): string;
  databaseUrl(name: string, as: "service" | "owner" | "superuser"): string;
  readonly cacheRedisUrl: string;
  readonly durableRedisUrl: string;
  /**
   * Ends everything; removes the state folder unless the caller brought it. Throws when a secret stands in a
   * log: so every test, benchmark and demo watches over that.
   */
  stop(): Promise<void>;
}

/** Starts a whole installation for a test, a benchmark or the demo, and waits until all of it is ready. */
export async function startInstallation(options: StartOptions = {}): Promise<RunningInstallation> {
  const portBase = options.portBase ?? (await reservePortBase());
  const state = options.state ?? temporaryState();
  const { env } = options;
  const installation = new Installation({
    state,
    settings: {
      portBase,
      replicas: options.replicas ?? 1,
      bus: options.bus ?? "redis",
      operator: options.operator ?? false,
    },
    ...(options.busChangeMs === undefined ? {} : { busChangeMs: options.busChangeMs }),
    ...(options.platform === undefined ? {} : { platform: options.platform }),
    isDurable: options.isDurable ?? true,
    ...(options.say === undefined ? {} : { say: options.say }),
    ...(env === undefined ? {} : { environment: typeof env === "function" ? env : () => env }),
  });
  const discard = () => {
    if (options.state === undefined) removeState(state);
    if (options.portBase === undefined) releasePortBase(portBase);
  };
  try {
    await installation.start();
  } catch (error) {
    discard();
    throw error;
  }
  return describe(installation, async () => {
    await installation.stop();
    const found = findLoggedSecrets(state, installation.secrets);
    discard();
    if (found.length > 0) throw new Error(`Secrets stand in the logs:\n${found.join("\n")}`);
  });
}

function describe(installation: Installation, stop: () => Promise<void>): RunningInstallation {
  const { platform, ports, secrets, wiring } = installation;
  const app = (name: string) => findApp(platform, name);
  const local = (port: number) => `http://127.0.0.1:${port}`;
  return {
    installation,
    state: installation.state,
    adminToken: secrets.adminToken,
    secrets,
    url: (name) => local(ports.public(app(name))),
    internalUrl: (name) => local(ports.internal(app(name))),
    replicaUrl: (name, replica) => local(ports.replica(app(name), replica)),
    databaseUrl: (name, as) => databaseUrl(wiring, name, as),
    cacheRedisUrl: cacheRedisUrl(wiring),
    durableRedisUrl: durableRedisUrl(wiring),
    stop,
  };
}

function temporaryState(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "payflow-state-"));
  // Made again with the mode that lets PostgreSQL's own account through.
  rmSync(folder, { recursive: true });
  makeStateFolder(folder);
  return folder;
}
