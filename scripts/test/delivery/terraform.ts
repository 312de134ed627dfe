import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

/** What the modules ask for. */
const oldestTerraform = [1, 11] as const;

export interface TerraformRun {
  readonly exitCode: number;
  readonly output: string;
}

/** A copy of `terraform/` in which it can be run, so that nothing is left in the tree. */
export interface Workspace {
  readonly folder: string;
  /** Runs terraform in a folder of the copy. */
  run(folder: string, ...command: string[]): TerraformRun;
  remove(): void;
}

/** Where modules and environments are, from `terraform/`. */
export const testedFolders = ["modules", "environments"].flatMap((kind) =>
  readdirSync(path.join(repositoryRoot, "terraform", kind)).map((name) => `${kind}/${name}`),
);

export function terraformWorkspace(): Workspace {
  const folder = mkdtempSync(path.join(tmpdir(), "payflow-terraform-"));
  cpSync(path.join(repositoryRoot, "terraform"), folder, { recursive: true });
  return {
    folder,
    run: (inside, ...command) => runTerraform(path.join(folder, inside), command),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** What a template of `terraform/templates` comes to with these variables. */
export function renderTemplate(name: string, variables: Readonly<Record<string, unknown>>): string {
  const file = path.join(repositoryRoot, "terraform/templates", name);
  const call = `templatefile(${JSON.stringify(file)}, jsondecode(${JSON.stringify(JSON.stringify(variables))}))`;
  const { stdout, stderr } = Bun.spawnSync(["terraform", "console"], {
    cwd: tmpdir(),
    env: { ...process.env, TF_CLI_CONFIG_FILE: undefined, CHECKPOINT_DISABLE: "1" },
    stdin: new Blob([`jsonencode(${call})\n`]),
  });
  // The console shows a string as it would be written, so that JSON in it stands in quotes once more.
  const shown = stdout.toString().trim().split("\n").at(-1) ?? "";
  if (!shown.startsWith('"')) throw new Error(`${name} is not rendered: ${stdout}${stderr}`);
  return JSON.parse(JSON.parse(shown));
}

/** Fetches the provider from a mirror on this machine, else from where Terraform gets it by itself. */
export function initialize(workspace: Workspace, folder: string): TerraformRun {
  const mirror = providerMirror();
  const plugins = mirror === null ? [] : [`-plugin-dir=${mirror}`];
  return workspace.run(folder, "init", "-backend=false", ...plugins);
}

/** Why Terraform cannot be tested here; null where it can. */
export function whyNoTerraform(): string | null {
  if (Bun.which("terraform") === null) return "needs terraform on the PATH";
  const version = runTerraform(tmpdir(), ["version"]).output;
  const [, major, minor] = /Terraform v(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) < oldestTerraform[0] || Number(minor) < oldestTerraform[1]) {
    return `needs terraform ${oldestTerraform.join(".")} or later`;
  }
  if (providerMirror() !== null) return null;
  const workspace = terraformWorkspace();
  try {
    const isThere = initialize(workspace, "modules/network").exitCode === 0;
    return isThere
      ? null
      : "needs the provider hashicorp/aws, which neither a mirror nor the network has here";
  } finally {
    workspace.remove();
  }
}

function runTerraform(folder: string, command: readonly string[]): TerraformRun {
  // A provider has a minute to start, which a machine that is busy with other tests may take from it.
  for (let attempt = 1; ; attempt += 1) {
    const { exitCode, stdout, stderr } = Bun.spawnSync(["terraform", ...command], {
      cwd: folder,
      env: { ...process.env, TF_CLI_CONFIG_FILE: undefined, CHECKPOINT_DISABLE: "1", TF_IN_AUTOMATION: "1" },
      stdin: "ignore",
      timeout: 540_000,
    });
    const output = `${stdout}${stderr}`.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g"), "");
    if (attempt === 3 || !output.includes("waiting for plugin to start")) return { exitCode, output };
  }
}

/**
 * A folder with providers as Terraform's own mirrors have them, HOST/hashicorp/aws/VERSION/PLATFORM: the one
 * that PAYFLOW_TERRAFORM_PLUGINS names, where Terraform itself looks, or a package's below /opt.
 */
function providerMirror(): string | null {
  const named = process.env.PAYFLOW_TERRAFORM_PLUGINS ?? process.env.TF_PLUGIN_CACHE_DIR;
  const folders = [
    ...(named === undefined ? [] : [named]),
    path.join(homedir(), ".terraform.d/plugins"),
    "/usr/local/share/terraform/plugins",
    ...children("/opt"),
  ];
  const has = (folder: string) =>
    children(folder).some((host) => hasPlatform(path.join(host, "hashicorp/aws")));
  return folders.find(has) ?? null;
}

function hasPlatform(provider: string): boolean {
  const platform = `${process.platform}_${process.arch === "x64" ? "amd64" : process.arch}`;
  return children(provider).some((version) => existsSync(path.join(version, platform)));
}

function children(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => path.join(folder, name));
  } catch {
    // It is not there, or not for us to read.
    return [];
  }
}
