import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { type TerraformRun, testedFolders, Workspace, whyNoTerraform } from "./terraform.ts";
import { startProvider } from "./terraform-provider.ts";

const minutes = 60_000;
const isThorough = process.env.PAYFLOW_THOROUGH === "1";
const reason = await whyNoTerraform();

describe.skipIf(reason !== null)(`terraform${reason === null ? "" : ` (${reason})`}`, () => {
  let workspace: Workspace;
  const runs = new Map<string, Promise<TerraformRun>>();

  beforeAll(async () => {
    workspace = new Workspace();
    // With a provider of its own: here Terraform itself sees that it is one of those that modules ask for.
    expect(await workspace.initialize("modules/platform")).toMatchObject({ exitCode: 0 });
    if (!isThorough) {
      workspace.provider = await startProvider(path.join(workspace.folder, "modules/platform"));
    }
  }, 10 * minutes);
  afterAll(() => workspace.remove());

  test(
    "files are formatted, and one that is not is found",
    async () => {
      const check = () => workspace.run(".", "fmt", "-check", "-recursive");
      expect(await check()).toMatchObject({ exitCode: 0, output: "" });
      const planted = path.join(workspace.folder, "planted.tf");
      writeFileSync(planted, 'variable  "x" {}\n');
      expect((await check()).output).toContain("planted.tf");
      writeFileSync(planted, "");
    },
    5 * minutes,
  );

  test.each(testedFolders)(
    "%s: plans are right on a mocked AWS, and wrong variables are refused",
    async (folder) => {
      const next = testedFolders[testedFolders.indexOf(folder) + 1];
      // Two at a time, as there are processors.
      if (next !== undefined) void started(next);
      const { output, exitCode } = await started(folder);
      expect(output).toMatch(/Success! \d+ passed, 0 failed/);
      expect(exitCode).toBe(0);
      // A module's tests hold its promises and its refusals.
      expect(output).toContain('run "refuses_');
    },
    10 * minutes,
  );

  const isLarger = /(var\.storage_maximum_gb >) var\.storage_gb/;
  test.each([
    ["modules/rds", "modules/rds/main.tf", /("rds\.force_ssl" *= )"1"/, '$1"0"', "without TLS"],
    ["environments/production", "../examples/values/aws.yaml", /(replicas: )3/, "$12", "is no longer what"],
    ...(isThorough
      ? [["modules/rds", "modules/rds/variables.tf", isLarger, "$1 0", "Missing expected failure"] as const]
      : []),
  ] as const)(
    "%s fails its tests where %s breaks a promise",
    async (folder, inside, before, after, complaint) => {
      await Promise.all(runs.values());
      const file = path.join(workspace.folder, inside);
      const text = readFileSync(file, "utf8");
      expect(text).toMatch(before);
      writeFileSync(file, text.replace(before, after));
      const { output, exitCode } = await run(folder);
      writeFileSync(file, text);
      expect(output).toContain(complaint);
      expect(exitCode).not.toBe(0);
    },
    10 * minutes,
  );

  function started(folder: string): Promise<TerraformRun> {
    const one = runs.get(folder) ?? run(folder);
    runs.set(folder, one);
    return one;
  }

  async function run(folder: string): Promise<TerraformRun> {
    const ready = await workspace.initialize(folder);
    return ready.exitCode === 0 ? workspace.run(folder, "test") : ready;
  }
});

test("every module and environment has a test, and pins the provider alike", () => {
  const root = path.join(repositoryRoot, "terraform");
  expect(testedFolders).toHaveLength(12);
  for (const folder of testedFolders) {
    const name = path.basename(folder);
    const tests = readFileSync(path.join(root, folder, "tests", `${name}.tftest.hcl`), "utf8");
    expect(tests).toContain('mock_provider "aws" {\n  source = "../../mocks"\n}');
    const versions = readFileSync(path.join(root, folder, "versions.tf"), "utf8");
    expect(versions).toContain('version = ">= 5.80, < 7"');
    expect(versions).toContain('required_version = ">= 1.11, < 2"');
  }
});

test("environments keep their state in S3 under its own lock, each by another name", () => {
  const keys = testedFolders
    .filter((folder) => folder.startsWith("environments/"))
    .map((folder) => {
      const text = readFileSync(path.join(repositoryRoot, "terraform", folder, "versions.tf"), "utf8");
      expect(text).toMatch(/backend "s3" \{[^}]*encrypt += true[^}]*use_lockfile += true/);
      return /^ *key *= "(.*)"/m.exec(text)?.[1];
    });
  expect(new Set(keys).size).toBe(2);
});

test("no module comes from a registry", () => {
  const files = [...new Bun.Glob("terraform/{modules,environments}/*/*.tf").scanSync(repositoryRoot)];
  const sources = files.flatMap((file) =>
    [...readFileSync(path.join(repositoryRoot, file), "utf8").matchAll(/^ *source *= *"(.*)"/gm)].map(
      ([, source]) => source,
    ),
  );
  const elsewhere = sources.filter((source) => !/^\.\.\/(\.\.\/modules\/)?[a-z-]+$/.test(source ?? ""));
  expect(sources).toContain("../../modules/platform");
  expect(new Set(elsewhere)).toEqual(new Set(["hashicorp/aws"]));
});
