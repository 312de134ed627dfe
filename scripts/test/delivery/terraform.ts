import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { providerSource, type SharedProvider } from "./terraform-provider.ts";

/** What the modules ask for. */
const oldestTerraform = [1, 11] as const;

export interface TerraformRun {
  readonly exitCode: number;
  readonly output: string;
}

/** Where modules and environments are, from `terraform/`. */
export const testedFolders = ["modules", "environments"].flatMap((kind) =>
  readdirSync(path.join(repositoryRoot, "terraform", kind)).map((name) => `${kind}/${name}`),
);

/** A copy of `terraform/`, and of the example that it must render, so that nothing is left in the tree. */
export class Workspace {
  /** With it, runs share one provider. */
  provider: SharedProvider | null = null;
  readonly folder: string;
  readonly #root: string;

  constructor() {
    this.#root = mkdtempSync(path.join(tmpdir(), "payflow-terraform-"));
    this.folder = path.join(this.#root, "terraform");
    for (const part of ["terraform", "examples/values"]) {
      cpSync(path.join(repositoryRoot, part), path.join(this.#root, part), { recursive: true });
    }
  }

  /** Runs terraform in a folder of the copy. */
  run(inside: string, ...command: string[]): Promise<TerraformRun> {
    return runTerraform(command, path.join(this.folder, inside), this.provider?.environment ?? {});
  }

  /** Makes a folder ready, with a provider of its own where none is shared. */
  initialize(inside: string): Promise<TerraformRun> {
    const { words, environment } =
      this.provider === null ? providerSource() : { words: [], environment: this.provider.environment };
    return runTerraform(["init", "-backend=false", ...words], path.join(this.folder, inside), environment);
  }

  async remove(): Promise<void> {
    await this.provider?.stop();
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** What a template of `terraform/modules` comes to with these variables. */
export async function renderTemplate(
  name: string,
  variables: Readonly<Record<string, unknown>>,
): Promise<string> {
  const file = path.join(repositoryRoot, "terraform/modules", name);
  const call = `templatefile(${JSON.stringify(file)}, jsondecode(${JSON.stringify(JSON.stringify(variables))}))`;
  const { output } = await runTerraform(["console"], tmpdir(), {}, `jsonencode(${call})\n`);
  // The console shows a string as it would be written, so that JSON in it stands in quotes once more.
  const shown = output.trim().split("\n").at(-1) ?? "";
  if (!shown.startsWith('"')) throw new Error(`${name} is not rendered: ${output}`);
  return JSON.parse(JSON.parse(shown));
}

/** Why Terraform cannot be tested here; null where it can. */
export async function whyNoTerraform(): Promise<string | null> {
  if (Bun.which("terraform") === null) return "needs terraform on the PATH";
  const version = (await runTerraform(["version"], tmpdir())).output;
  const [, major, minor] = /Terraform v(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) < oldestTerraform[0] || Number(minor) < oldestTerraform[1]) {
    return `needs terraform ${oldestTerraform.join(".")} or later`;
  }
  if (providerSource().words.length > 0) return null;
  const workspace = new Workspace();
  const { exitCode } = await workspace.initialize("modules/key");
  await workspace.remove();
  return exitCode === 0
    ? null
    : "needs the provider hashicorp/aws, which neither a mirror nor the network has here";
}

async function runTerraform(
  command: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
  input?: string,
): Promise<TerraformRun> {
  // What the provider tells of its resources are millions of small objects, through which Go would look again
  // and again: half of the time goes into that.
  const plain = {
    ...{ TF_CLI_CONFIG_FILE: undefined, CHECKPOINT_DISABLE: "1", TF_IN_AUTOMATION: "1" },
    GOGC: "300",
  };
  const env = { ...process.env, ...plain, ...environment };
  // A provider has a minute to start, which a machine that is busy with other tests may take from it.
  for (let attempt = 1; ; attempt += 1) {
    const run = await runCommand(["terraform", ...command], {
      ...{ cwd, env },
      ...(input === undefined ? {} : { input }),
    });
    const output = run.output.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g"), "");
    if (attempt === 3 || !output.includes("waiting for plugin to start")) {
      return { exitCode: run.exitCode, output };
    }
  }
}
