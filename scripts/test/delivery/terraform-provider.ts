import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { Supervisor } from "@payflow/one-machine/processes/supervisor.ts";
import { toolCache } from "@payflow/one-machine/programs/tool-cache.ts";

/** A provider that serves every run of Terraform until it is stopped. */
export interface SharedProvider {
  /** What Terraform has to find in its environment, to use this one instead of starting its own. */
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/**
 * Starts AWS's provider from where `terraform init` has put it below `folder`. Terraform by itself starts it
 * two or three times for each run of a test, which takes most of the time; a mocked provider is asked for
 * nothing but what its resources look like, so that one is enough for all. This is the way that providers
 * have for debuggers: https://developer.hashicorp.com/terraform/plugin/debugging
 */
export async function startProvider(folder: string): Promise<SharedProvider> {
  const [program] = [
    ...new Bun.Glob(`.terraform/providers/*/hashicorp/aws/*/${platform}/terraform-provider-aws*`).scanSync({
      cwd: folder,
      dot: true,
      followSymlinks: true,
    }),
  ];
  if (program === undefined) throw new Error("terraform init has put no provider there.");
  const logFile = path.join(folder, "provider.log");
  const address = () =>
    existsSync(logFile) ? /TF_REATTACH_PROVIDERS='(.*)'/.exec(readFileSync(logFile, "utf8"))?.[1] : undefined;
  const supervisor = new Supervisor();
  await supervisor.start({
    ...{ name: "terraform-provider", command: [path.join(folder, program), "-debug"], cwd: folder, logFile },
    env: { PATH: process.env.PATH ?? "" },
    ...{ user: null, stopSignal: "SIGTERM", deathSignal: "SIGKILL", stopTimeoutMs: 5_000 },
    isReady: async () => address() !== undefined,
  });
  return {
    environment: { TF_REATTACH_PROVIDERS: address() ?? "" },
    stop: async () => {
      await supervisor.stop("terraform-provider");
    },
  };
}

const platform = `${process.platform}_${process.arch === "x64" ? "amd64" : process.arch}`;

/** Where a provider that was fetched once is kept. */
const fetched = path.join(toolCache(), "terraform-providers");

/**
 * Where `terraform init` gets the provider from, as words and as environment: a folder with providers as
 * Terraform's own mirrors have them, HOST/hashicorp/aws/VERSION/PLATFORM, where there is one: that which
 * PAYFLOW_TERRAFORM_PLUGINS names, where Terraform itself looks, a package's below /opt, or what was fetched
 * before. Else it comes by the network, and is kept.
 */
export function providerSource(): { words: string[]; environment: Record<string, string> } {
  const mirror = providerMirror();
  if (mirror !== null) return { words: [`-plugin-dir=${mirror}`], environment: {} };
  mkdirSync(fetched, { recursive: true });
  return {
    words: [],
    environment: { TF_PLUGIN_CACHE_DIR: fetched, TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE: "1" },
  };
}

function providerMirror(): string | null {
  const named = process.env.PAYFLOW_TERRAFORM_PLUGINS ?? process.env.TF_PLUGIN_CACHE_DIR;
  const folders = [
    ...(named === undefined ? [] : [named]),
    path.join(homedir(), ".terraform.d/plugins"),
    "/usr/local/share/terraform/plugins",
    ...children("/opt"),
    fetched,
  ];
  return folders.find(hasProvider) ?? null;
}

function hasProvider(folder: string): boolean {
  const versions = children(folder).flatMap((host) => children(path.join(host, "hashicorp/aws")));
  return versions.some((version) => existsSync(path.join(version, platform)));
}

function children(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => path.join(folder, name));
  } catch {
    // It is not there, or not for us to read.
    return [];
  }
}
