import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";

const exporter = "bench";
const limitMs = 300_000;

export interface Drained {
  readonly perSecond: number;
  readonly isEmpty: boolean;
}

/**
 * Exports what is in the streams into files, by a process that does nothing else: starts ingest anew, whose
 * settings say so by now, and waits until nothing is left.
 */
export async function drain(installation: RunningInstallation, events: number): Promise<Drained> {
  await put(installation);
  await installation.installation.stopApp("ingest");
  await installation.installation.startApp("ingest");
  const startedAt = performance.now();
  let left = await lagOf(installation);
  const first = Math.min(left, events);
  while (left > 0 && performance.now() - startedAt < limitMs) {
    await Bun.sleep(100);
    left = await lagOf(installation);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  return { perSecond: (first - left) / seconds, isEmpty: left === 0 };
}

async function put(installation: RunningInstallation): Promise<void> {
  await ask(installation, "PUT", {
    kind: "warehouse",
    start: "oldest",
    settings: { format: "ndjson", target: { folder: "bench" }, max_age_seconds: 1 },
  });
}

async function lagOf(installation: RunningInstallation): Promise<number> {
  // The contract of an exporter has its lag.
  const { lag } = (await ask(installation, "GET")) as { lag: { events: number } };
  return lag.events;
}

async function ask(installation: RunningInstallation, method: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(`${installation.url("ingest")}/v1/exporters/${exporter}`, {
    method,
    headers: { authorization: `Bearer ${installation.adminToken}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`the exporter's route answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}
