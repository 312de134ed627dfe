import { homedir } from "node:os";
import path from "node:path";

/**
 * Where tools are kept that are built or fetched once: the folder that PAYFLOW_CACHE names, else one in the
 * user's cache.
 */
export function toolCache(): string {
  return process.env.PAYFLOW_CACHE ?? path.join(homedir(), ".cache", "payflow");
}
