import { chmodSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

/**
 * Where downloaded and copied programs live: `/var/cache/payflow` for root, else below the user's own
 * cache.
 */
export function cacheDirectory(): string {
  const isRoot = process.getuid?.() === 0;
  const userCache = process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache");
  const directory = isRoot ? "/var/cache/payflow" : path.join(userCache, "payflow");
  mkdirSync(directory, { recursive: true });
  // Root's programs run as another user, who must get through whatever umask root has.
  if (isRoot) chmodSync(directory, 0o755);
  return directory;
}
