import { existsSync, lstatSync, realpathSync, symlinkSync } from "node:fs";
import path from "node:path";
import { clusterFolder, operatorKubeconfig } from "../cluster/cluster.ts";
import type { ProcessSpec } from "../processes/child.ts";
import { repositoryRoot } from "../stores/databases.ts";
import { kafkaProcess } from "../stores/kafka/kafka.ts";
import { choosePostgresDirectory, postgresProcess } from "../stores/postgres.ts";
import { redisProcess } from "../stores/redis.ts";
import { type AppDefinition, operator } from "./apps.ts";
import { appEnvironment, kafkaUser, operatorEnvironment, type Wiring } from "./environment.ts";
import type { Secrets } from "./secrets.ts";

export type StoreName = "postgres" | "cache" | "durable" | "kafka";

export const storeProcessName: Readonly<Record<StoreName, string>> = {
  postgres: "postgres",
  cache: "redis-cache",
  durable: "redis-durable",
  kafka: "kafka",
};

/** Whether a process is one of the stores, which outlast the apps. */
export function isStoreProcess(name: string): boolean {
  return Object.values(storeProcessName).includes(name);
}

/** How a replica is called in logs and by `./payflow status`. */
export function processName(app: AppDefinition, replica: number): string {
  return `${app.name}-${replica}`;
}

export const logFile = (state: string, name: string) => path.join(state, "logs", `${name}.log`);

/** How a store of the installation in this state folder is run. */
export function storeProcess(
  state: string,
  { ports, secrets }: Wiring,
  store: StoreName,
  isDurable: boolean,
): ProcessSpec {
  const name = storeProcessName[store];
  if (store === "postgres") {
    return postgresProcess({
      dataDirectory: postgresDirectory(state, secrets),
      port: ports.postgres,
      password: secrets.postgresPassword,
      logFile: logFile(state, name),
      isDurable,
    });
  }
  if (store === "kafka") {
    return kafkaProcess({
      name,
      nodeId: 1,
      dataDirectory: path.join(state, name),
      logFile: logFile(state, name),
      listeners: { SCRAM: ports.kafka },
      voters: new Map([[1, ports.kafkaQuorum]]),
      login: { username: kafkaUser, password: secrets.kafkaPassword },
      isDurable,
    });
  }
  const isCache = store === "cache";
  return redisProcess({
    name,
    kind: store,
    dataDirectory: path.join(state, name),
    port: isCache ? ports.cacheRedis : ports.durableRedis,
    password: isCache ? secrets.cacheRedisPassword : secrets.durableRedisPassword,
    logFile: logFile(state, name),
  });
}

/**
 * How one replica of an app, counted from 1, is run; `changes` are settings that differ from the usual
 * ones.
 */
export function appProcess(
  state: string,
  wiring: Wiring,
  app: AppDefinition,
  replica: number,
  changes: Readonly<Record<string, string>> = {},
): ProcessSpec {
  const name = processName(app, replica);
  const url = `http://127.0.0.1:${wiring.ports.replica(app, replica)}/readyz`;
  return {
    name,
    // An .env file in the checkout is the user's own business and must not leak into an installation.
    command: [process.execPath, "--no-env-file", app.main],
    env: { ...usualEnvironment(state, wiring, app, replica), ...changes },
    cwd: repositoryRoot,
    logFile: logFile(state, name),
    user: null,
    stopSignal: "SIGTERM",
    // An app gives itself 25 seconds.
    stopTimeoutMs: 27_000,
    isReady: async () => (await fetch(url, { signal: AbortSignal.timeout(3_000) })).ok,
  };
}

function usualEnvironment(
  state: string,
  wiring: Wiring,
  app: AppDefinition,
  replica: number,
): Record<string, string> {
  if (app === operator) return operatorEnvironment(wiring, operatorKubeconfig(clusterFolder(state)));
  // The one app that writes to a folder of the installation itself.
  const folders = app.name === "ingest" ? { INGEST_EXPORT_FOLDER: path.resolve(state, "exports") } : {};
  return { ...appEnvironment(wiring, app, replica), ...folders };
}

/** Where PostgreSQL's data lie. Once there is a folder or a link in the state folder, it decides. */
export function postgresDirectory(state: string, secrets: Secrets): string {
  const inside = path.join(state, "postgres");
  if (existsSync(inside)) return realpathSync(inside);
  if (lstatSync(inside, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new Error(`PostgreSQL's data are gone: ${inside} leads nowhere. "./payflow reset" starts afresh.`);
  }
  const chosen = choosePostgresDirectory(state, secrets.installationId);
  if (chosen !== inside) symlinkSync(chosen, inside);
  return chosen;
}
