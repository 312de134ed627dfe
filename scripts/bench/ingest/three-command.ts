import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { cacheDirectory } from "@payflow/one-machine/stores/cache-directory.ts";
import { installPackages } from "@payflow/one-machine/stores/redis-binary.ts";
import { Redis } from "ioredis";
import { baselinesFolder } from "../baseline.ts";

export interface ThreeCommandServer {
  readonly port: number;
  readonly apiKey: string;
  /** Removes what it stored. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

const apiKey = "baseline-key";
const stream = "three-command";

/**
 * The usual ingest node, three round trips to the same Redis for a request, as a comparison. Null, with the
 * reason told, where its source or Go cannot be had.
 */
export async function startThreeCommandServer(
  redisUrl: string,
  say: (line: string) => void,
): Promise<ThreeCommandServer | null> {
  const folder = baselinesFolder();
  const source = folder === null ? null : path.join(folder, "threecommand");
  if (source === null || !existsSync(source)) {
    say("no ratio: the three-command server is absent (PAYFLOW_BASELINES)");
    return null;
  }
  const go = findGo();
  if (go === null) {
    say("no ratio: the three-command server needs Go (apt-get install golang)");
    return null;
  }
  const binary = build(go, source, say);
  if (binary === null) return null;
  const redis = new Redis(redisUrl);
  // It can give no password; the server is this benchmark's own, and listens on this machine alone.
  await redis.acl("SETUSER", "default", "nopass");
  const port = await reservePort();
  const { host } = new URL(redisUrl);
  const child = Bun.spawn([binary], {
    env: { LISTEN: `127.0.0.1:${port}`, REDIS_ADDR: host, API_KEY: apiKey, STREAM: stream },
    stdout: "ignore",
    stderr: "inherit",
  });
  await untilItListens(port);
  return {
    port,
    apiKey,
    clear: async () => {
      await redis.unlink(stream);
      for await (const keys of redis.scanStream({ match: "dedupe:*", count: 5_000 })) {
        if (keys.length > 0) await redis.unlink(...keys);
      }
    },
    stop: async () => {
      child.kill();
      await child.exited;
      redis.disconnect();
    },
  };
}

/** Go on the PATH or where its own installer puts it, else Debian's, when this may install packages. */
function findGo(): string | null {
  const known = Bun.which("go") ?? (existsSync("/usr/local/go/bin/go") ? "/usr/local/go/bin/go" : null);
  if (known !== null || process.getuid?.() !== 0 || Bun.which("apt-get") === null) return known;
  try {
    installPackages(["golang-go"]);
  } catch {
    return null;
  }
  return Bun.which("go");
}

/** Builds it once; what it is made of decides whether an earlier build serves. */
function build(go: string, source: string, say: (line: string) => void): string | null {
  const hash = new Bun.CryptoHasher("sha256").update(Bun.spawnSync([go, "version"]).stdout);
  for (const name of ["go.mod", "go.sum", "main.go"]) hash.update(readFileSync(path.join(source, name)));
  const folder = path.join(cacheDirectory(), `threecommand-${hash.digest("hex").slice(0, 12)}`);
  const binary = path.join(folder, "threecommand");
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  cpSync(source, folder, { recursive: true });
  const made = Bun.spawnSync([go, "build", "-o", binary, "."], {
    cwd: folder,
    env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-trimpath -buildvcs=false" },
  });
  if (made.exitCode === 0) return binary;
  say(`no ratio: the three-command server could not be built: ${made.stderr}`);
  return null;
}

async function untilItListens(port: number): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; await Bun.sleep(20)) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(socket.destroy() !== undefined));
      socket.once("error", () => resolve(false));
    });
    if (isOpen) return;
  }
  throw new Error("the three-command server does not listen");
}
