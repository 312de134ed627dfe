import type { Static, TObject } from "@sinclair/typebox";
import type { AnyElysia } from "elysia";
import type { Door } from "../http/door.ts";
import { createLogger, type Logger } from "../telemetry/logging.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { startTracing } from "../telemetry/tracing.ts";
import {
  ConfigError,
  loadConfig,
  type processSettings,
  secretValues,
  type serviceSettings,
} from "./config.ts";
import { type Health, type ReadinessCheck, withHealth } from "./health.ts";
import { type Listener, listen } from "./listen.ts";
import { Scope } from "./scope.ts";

export interface ServiceContext<T extends TObject> {
  readonly config: Static<T>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Closes what was built, in reverse order, when the process ends. */
  readonly scope: Scope;
}

export interface RunningService {
  /** None where a process serves its own health and metrics alone; it then has an internal port only. */
  readonly publicApp?: AnyElysia;
  /** The way to the public app's direct routes. */
  readonly door?: Door;
  readonly internalApp: AnyElysia;
  readonly readiness: readonly ReadinessCheck[];
  /** Ends background work (consumers, relays, workers) once no more requests come in. */
  readonly stop?: () => Promise<void>;
}

export interface Service<T extends TObject> {
  readonly name: string;
  readonly settings: T;
  readonly start: (context: ServiceContext<T>) => Promise<RunningService>;
}

/** What a process has from SIGTERM to its end; what is not done by then stays for the next replica. */
const shutdownLimitMs = 25_000;
/** Time for the balancers to see that the process is no longer ready before it stops listening. */
const drainMs = 100;

type BaseConfig = Static<TObject<typeof processSettings>> &
  Partial<Pick<Static<TObject<typeof serviceSettings>>, "PORT" | "INTERNAL_PORT" | "REPLICA_PORT">>;

/**
 * Runs one of our services until SIGTERM or SIGINT: reads its settings (exit 78 with every problem named),
 * builds it, listens on its public and internal port, and on the signal turns not ready, finishes what was
 * accepted, and closes everything in reverse order of building.
 */
export async function runService<T extends TObject>(
  service: Service<T>,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const config = readConfig(service, env);
  // Every process's settings contain the kit's own, and most of them a service's.
  const base = config as BaseConfig;
  const logger = createLogger(service.name, base.LOG_LEVEL, {
    secrets: secretValues(service.settings, config),
  });
  const metrics = new Metrics(service.name);
  const scope = new Scope(logger);
  let listeners: Listener[] = [];
  let isStopping = false;

  const shutDown = async (reason: string, exitCode: number) => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ reason }, "stopping");
    const limit = setTimeout(() => process.exit(1), shutdownLimitMs);
    if (exitCode === 0) await Bun.sleep(drainMs);
    await Promise.all(listeners.map((listener) => listener.stop()));
    await scope.close();
    clearTimeout(limit);
    logger.info("stopped");
    process.exit(exitCode);
  };
  process.on("SIGTERM", () => void shutDown("SIGTERM", 0));
  process.on("SIGINT", () => void shutDown("SIGINT", 0));
  process.on("unhandledRejection", (error) => {
    // A promise nobody waits for is a bug; the process stays up, since others' requests are under way in it.
    logger.error({ err: error }, "a promise was rejected and nobody handled it");
  });

  try {
    const { OTEL_EXPORTER_OTLP_ENDPOINT: collector } = base;
    if (collector !== undefined) scope.use("tracing", await startTracing(service.name, collector));
    const running = await service.start({ config, logger, metrics, scope });
    if (running.stop !== undefined) scope.defer("background work", running.stop);
    const health = { checks: running.readiness, metrics, isStopping: () => isStopping };
    listeners = listenAll(base, running, health);
    logger.info({ port: base.PORT ?? base.INTERNAL_PORT, pid: process.pid }, "listening");
  } catch (error) {
    if (error instanceof ConfigError) {
      process.stderr.write(`${service.name}: ${error.message}\n`);
      return shutDown("wrong configuration", 78);
    }
    logger.error({ err: error }, "the service could not start");
    await shutDown("could not start", 1);
  }
}

function listenAll(
  { HOST: host, PORT, INTERNAL_PORT, REPLICA_PORT }: BaseConfig,
  running: RunningService,
  health: Omit<Health, "isInternal">,
): Listener[] {
  const listeners: Listener[] = [];
  if (running.publicApp !== undefined && PORT !== undefined) {
    const app = withHealth(running.publicApp, { ...health, isInternal: false });
    listeners.push(listen(app, { host, port: PORT, isInternal: false, door: running.door }));
  }
  const internalApp = withHealth(running.internalApp, { ...health, isInternal: true });
  const internalPort = INTERNAL_PORT ?? (PORT === undefined ? undefined : PORT + 1_000);
  for (const port of [internalPort, REPLICA_PORT]) {
    if (port !== undefined) listeners.push(listen(internalApp, { host, port, isInternal: true }));
  }
  return listeners;
}

function readConfig<T extends TObject>(
  service: Service<T>,
  env: Readonly<Record<string, string | undefined>>,
): Static<T> {
  try {
    return loadConfig(service.settings, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${service.name}: ${error.message}\n`);
    process.exit(78);
  }
}
