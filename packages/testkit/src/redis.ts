import path from "node:path";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { Supervisor } from "@payflow/one-machine/processes/supervisor.ts";
import { type RedisKind, redisProcess, redisUrl } from "@payflow/one-machine/stores/redis.ts";
import { beforeRemoval, temporaryFolder } from "./temporary-folder.ts";

export interface TestRedis {
  readonly url: string;
  /** Ends the server; what it kept on disk is there again after `start`. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
}

export interface TestRedisPair {
  readonly cache: TestRedis;
  readonly durable: TestRedis;
  /** Ends both servers. */
  close(): Promise<void>;
}

/**
 * Two Redis servers of the caller's own, set up like an installation's cache and durable one. A server starts
 * in a few hundredths of a second, and a test may stop or flush its own without disturbing any other.
 */
export async function testRedis(): Promise<TestRedisPair> {
  const [cache, durable] = await Promise.all([startTestRedis("cache"), startTestRedis("durable")]);
  return {
    cache,
    durable,
    close: async () => {
      await Promise.all([cache.stop(), durable.stop()]);
    },
  };
}

const password = "payflow_test";

/** One server of the caller's own; `settings` are lines of its configuration besides those of its kind. */
export async function startTestRedis(kind: RedisKind, settings: readonly string[] = []): Promise<TestRedis> {
  const port = await reservePort();
  const name = `redis-${kind}-${port}`;
  const dataDirectory = path.join(temporaryFolder(), name);
  const logFile = path.join(dataDirectory, "redis.log");
  const supervisor = new Supervisor();
  beforeRemoval(() => supervisor.killAll());
  const local = { name, kind, dataDirectory, port, password, logFile, settings };
  const start = () => supervisor.start(redisProcess(local));
  await start();
  return {
    url: redisUrl({ port, password }),
    stop: async (signal) => {
      await supervisor.stop(name, signal);
    },
    start,
  };
}
