import { platform } from "@payflow/one-machine/installation/apps.ts";
import {
  type RunningInstallation,
  type StartOptions,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { releasePortBase, reservePortBase } from "@payflow/one-machine/processes/ports.ts";

export interface Replicas {
  readonly installation: RunningInstallation;
  /** The public base URL of one replica, counted from 1. */
  publicUrl(app: string, replica: number): string;
  stop(): Promise<void>;
}

/**
 * An installation with two replicas of every app, each with a public port of its own: on a shared one the
 * kernel chooses who answers, and a test could not say that it has asked both. The first keeps the app's
 * usual port.
 */
export async function startTwoReplicas(
  options: Omit<StartOptions, "portBase" | "replicas">,
): Promise<Replicas> {
  const portBase = await reservePortBase();
  // The reserved block ends with 100 ports, of which the stores and replicas use those below 2,030.
  const port = (app: string, replica: number) => {
    const place = platform.apps.find((one) => one.name === app)?.place ?? 0;
    return replica === 1 ? portBase + place : portBase + 2_080 + place;
  };
  const { env } = options;
  const installation = await startInstallation({
    ...options,
    portBase,
    replicas: 2,
    env: (app, replica) => ({
      ...(typeof env === "function" ? env(app, replica) : env),
      PORT: `${port(app, replica)}`,
    }),
  });
  return {
    installation,
    publicUrl: (app, replica) => `http://127.0.0.1:${port(app, replica)}`,
    async stop() {
      await installation.stop();
      releasePortBase(portBase);
    },
  };
}
