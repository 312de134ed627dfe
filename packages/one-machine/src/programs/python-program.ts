import { existsSync } from "node:fs";
import path from "node:path";
import { toolCache } from "./tool-cache.ts";

/** A program from PyPI: what is installed, and the command that it brings. */
export interface PythonProgram {
  readonly name: string;
  readonly version: string;
  /** Optional parts of the package, such as `server`. */
  readonly extra?: string;
  readonly command: string;
}

/**
 * The program's command, of the pinned version, in a virtual environment of its own that later runs find
 * again; null where Python cannot make one.
 */
export function findPythonProgram({ name, version, extra, command }: PythonProgram): string | null {
  const folder = path.join(toolCache(), `${name}-${version}`);
  const file = path.join(folder, "bin", command);
  if (existsSync(file)) return file;
  if (Bun.which("python3") === null || !makeEnvironment(folder)) return null;
  const wanted = `${name}${extra === undefined ? "" : `[${extra}]`}==${version}`;
  const pip = Bun.spawnSync([path.join(folder, "bin", "pip"), "install", "-q", wanted]);
  return pip.exitCode === 0 && existsSync(file) ? file : null;
}

function makeEnvironment(folder: string): boolean {
  const make = () => Bun.spawnSync(["python3", "-m", "venv", folder]).exitCode === 0;
  if (make()) return true;
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) return false;
  Bun.spawnSync(["apt-get", "install", "-y", "-qq", "python3-venv"]);
  return make();
}
