import path from "node:path";
import { Installation } from "@payflow/one-machine/installation/installation.ts";
import { readSettings, type Settings, writeSettings } from "@payflow/one-machine/installation/state.ts";
import { rotateLogs } from "@payflow/one-machine/processes/log-rotation.ts";
import { followLogs } from "./log-follower.ts";
import { summary } from "./summary.ts";

/** Set for the supervisor that nobody watches, whose children have their log files. */
export const detachedVariable = "PAYFLOW_DETACHED";

/** Asks the running supervisor to read its settings again. */
export const applySignal = "SIGUSR2";

/**
 * Runs an installation in this process until SIGTERM, SIGINT or SIGHUP; its logs go to the console. Fails
 * when it cannot start.
 */
export async function runInForeground(state: string, settings: Settings): Promise<void> {
  const installation = new Installation({ state, settings, say: (line) => console.log(`  ${line}`) });
  const ended = endOnSignal(installation);
  applyOnSignal(installation);
  rotateLogs(path.join(installation.state, "logs"));

  console.log(`Starting PayFlow in ${installation.state}`);
  await installation.start().catch((error: unknown) => {
    if (!ended.isAsked()) throw error;
  });
  if (ended.isAsked()) return ended.done;
  writeSettings(state, settings);
  console.log(`\n${await summary(installation.state, settings)}\n`);
  const stopFollowing =
    process.env[detachedVariable] === undefined
      ? followLogs(() => installation.processes(), installation.state)
      : null;
  await ended.done;
  stopFollowing?.();
}

interface Ending {
  /** Resolves once a signal has come and everything has ended. */
  readonly done: Promise<void>;
  isAsked(): boolean;
}

function endOnSignal(installation: Installation): Ending {
  let isAsked = false;
  const done = new Promise<void>((resolve, reject) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (isAsked) return;
        isAsked = true;
        console.log("\nStopping …");
        installation.stop().then(resolve, reject);
      });
    }
  });
  return { done, isAsked: () => isAsked };
}

/** One change after the other, however fast they are asked for. */
function applyOnSignal(installation: Installation): void {
  let work: Promise<void> = Promise.resolve();
  process.on(applySignal, () => {
    work = work.then(() => installation.apply(readSettings(installation.state)));
  });
}
