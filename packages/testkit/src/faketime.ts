import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

/**
 * The library that makes one process's clock jump when it is preloaded (LD_PRELOAD, with FAKETIME=+1h); null
 * where it is not installed. `./payflow test` installs it when it may.
 */
export function faketimeLibrary(): string | null {
  const root = "/usr/lib";
  const folders = existsSync(root) ? readdirSync(root) : [];
  const files = ["", ...folders].map((folder) => path.join(root, folder, "faketime/libfaketime.so.1"));
  return files.find((file) => existsSync(file)) ?? null;
}
