import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const oldestMajor = 7;
let found: string | undefined;

/**
 * A `redis-server` of version 7 or later: the one on the PATH, else the one that apt-get installs when this
 * is root on Debian or Ubuntu. Fails with the command to run.
 */
export function redisServerBinary(): string {
  found ??= onPath() ?? installed();
  return found;
}

function onPath(): string | null {
  const binary = Bun.which("redis-server");
  if (binary === null) return null;
  const major = majorVersion(binary);
  if (major >= oldestMajor) return binary;
  throw new Error(
    `${binary} is version ${major}, and PayFlow needs Redis ${oldestMajor} or later. ` +
      "Put a newer redis-server first on the PATH: https://redis.io/docs/latest/operate/oss_and_stack/install",
  );
}

function majorVersion(binary: string): number {
  const answer = spawnSync(binary, ["--version"]).stdout.toString();
  return Number(/v=(\d+)\./.exec(answer)?.[1] ?? 0);
}

function installed(): string {
  const hasApt = existsSync("/etc/debian_version") && Bun.which("apt-get") !== null;
  if (process.getuid?.() !== 0 || !hasApt) throw new Error(`Redis is missing. ${howToInstall(hasApt)}`);
  console.log("Installing redis-server with apt-get …");
  installPackages(["redis-server"]);
  // The package starts a server of its own on 6379, which nobody asked for.
  spawnSync("service", ["redis-server", "stop"]);
  if (existsSync("/run/systemd/system")) spawnSync("systemctl", ["disable", "--now", "redis-server"]);
  const binary = onPath();
  if (binary === null) throw new Error(`apt-get installed no redis-server. ${howToInstall(true)}`);
  return binary;
}

function howToInstall(hasApt: boolean): string {
  if (hasApt) return "Run: sudo apt-get install redis-server";
  if (process.platform === "darwin") return "Run: brew install redis";
  return `Install redis-server ${oldestMajor} or later with your system's package manager.`;
}

/** Installs Debian packages, refreshing the package lists only when the first try fails. Root only. */
export function installPackages(names: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = () =>
    spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names], { env });
  if (install().status === 0) return;
  spawnSync("apt-get", ["update", "-qq"], { env });
  const second = install();
  if (second.status !== 0) {
    throw new Error(`apt-get could not install ${names.join(", ")}:\n${second.stderr.toString().trim()}`);
  }
}
