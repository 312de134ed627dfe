import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { redisServerBinary } from "./redis-binary.ts";

/**
 * Cuts a half-written transaction off the end of a durable Redis's append-only file, with Redis's own tool.
 * A power loss, or a kill in the middle of a write, may leave one. Redis 7.0 then loads the file without it
 * but keeps its beginning, and the next start would do that half after all, together with what came later:
 * an event that was refused, and sent again, would stand there twice.
 */
export function mendAppendOnlyFile(dataDirectory: string, logFile: string): void {
  const folder = path.join(dataDirectory, "appendonlydir");
  const tool = path.join(path.dirname(redisServerBinary()), "redis-check-aof");
  if (!existsSync(folder) || !existsSync(tool)) return;
  // Only the last of the growing files can have been cut short.
  const last = readdirSync(folder)
    .filter((name) => name.endsWith(".incr.aof"))
    .sort((left, right) => numberOf(left) - numberOf(right))
    .at(-1);
  if (last === undefined) return;
  const answer = spawnSync(tool, ["--fix", path.join(folder, last)], { input: "y\n" });
  const said = `${answer.stdout}${answer.stderr}`;
  // What it cannot mend, Redis itself refuses to load, and says why.
  if (!/is valid/.test(said)) appendFileSync(logFile, `redis-check-aof --fix ${last}: ${said}\n`);
}

/** `appendonly.aof.12.incr.aof`: 12. */
function numberOf(name: string): number {
  return Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? 0);
}
