import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Redis } from "ioredis";
import type { ProcessSpec } from "../processes/child.ts";
import { mendAppendOnlyFile } from "./append-only-file.ts";
import { redisServerBinary } from "./redis-binary.ts";

export type RedisKind = "cache" | "durable";

export interface LocalRedis {
  readonly name: string;
  readonly kind: RedisKind;
  readonly dataDirectory: string;
  readonly port: number;
  readonly password: string;
  readonly logFile: string;
  /** Lines of its configuration besides those of its kind. */
  readonly settings?: readonly string[];
}

/**
 * The cache may forget, the durable one may not: it refuses writes rather than evict, and syncs before it
 * answers.
 */
const settingsByKind: Readonly<Record<RedisKind, readonly string[]>> = {
  cache: ["appendonly no", "maxmemory 128mb", "maxmemory-policy volatile-lru"],
  durable: [
    "appendonly yes",
    "appendfsync always",
    "maxmemory 256mb",
    "maxmemory-policy noeviction",
    // Events come and go by tens of thousands a second: rewriting the file for each 64 MB of them, and
    // packing it each time, would take a core for itself.
    "auto-aof-rewrite-min-size 256mb",
    "rdbcompression no",
  ],
};

/**
 * How one Redis is run; writes its configuration file, since a password on the command line would show in
 * `ps`.
 */
export function redisProcess(local: LocalRedis): ProcessSpec {
  mkdirSync(local.dataDirectory, { recursive: true, mode: 0o700 });
  const configFile = path.join(local.dataDirectory, "redis.conf");
  const lines = [
    "bind 127.0.0.1",
    "protected-mode yes",
    `port ${local.port}`,
    `requirepass ${local.password}`,
    `dir "${local.dataDirectory}"`,
    "daemonize no",
    'save ""',
    ...settingsByKind[local.kind],
    ...(local.settings ?? []),
  ];
  writeFileSync(configFile, `${lines.join("\n")}\n`, { mode: 0o600 });
  return {
    name: local.name,
    command: [redisServerBinary(), configFile],
    env: { LC_ALL: "C", TZ: "UTC" },
    cwd: local.dataDirectory,
    logFile: local.logFile,
    user: null,
    stopSignal: "SIGTERM",
    stopTimeoutMs: 20_000,
    ...(local.kind === "durable"
      ? { beforeStart: () => mendAppendOnlyFile(local.dataDirectory, local.logFile) }
      : {}),
    isReady: () => answers(redisUrl(local)),
  };
}

/** The URL of a server, with its password. */
export function redisUrl(server: { readonly port: number; readonly password: string }): string {
  return `redis://:${server.password}@127.0.0.1:${server.port}`;
}

async function answers(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  // Without a listener ioredis prints every refused connection.
  redis.on("error", () => {});
  try {
    await redis.connect();
    return (await redis.ping()) === "PONG";
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}
