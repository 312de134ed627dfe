import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { Glob } from "bun";
import { scenarioNames } from "../../loadtest/scenarios.ts";
import { actionlintBinary } from "./actionlint-binary.ts";
import { parseWorkflow, workflowRules } from "./workflow-rules.ts";

const folder = path.join(repositoryRoot, ".github/workflows");
const files = readdirSync(folder).sort();
const read = (file: string) => readFileSync(path.join(folder, file), "utf8");
const workflows = files.map((file) => parseWorkflow(file, read(file)));

test("there are workflows for changes, load, releases and security", () => {
  expect(files).toEqual(["ci.yml", "loadtest.yml", "release.yml", "security.yml"]);
});

describe.each(workflowRules)("$name", ({ check, planted: [from, to] }) => {
  test("holds in the workflows", () => expect(check(workflows)).toEqual([]));

  test("fails where it is broken", () => {
    const text = read("ci.yml").replace(from, to);
    expect(text).not.toBe(read("ci.yml"));
    expect(check([parseWorkflow("ci.yml", text)])).not.toEqual([]);
  });
});

test("a second job with rights in AWS is found", () => {
  const rule = workflowRules.find(({ name }) => name.includes("rights in AWS"));
  expect(rule?.check([...workflows, parseWorkflow("release.yml", read("release.yml"))])).toHaveLength(1);
});

test("the jobs of ci run every test file that ./payflow test runs", () => {
  const parts = [...(/part: \[(.*)\]/.exec(read("ci.yml"))?.[1] ?? "").split(", ")];
  const tests = [
    ...new Glob("{apps,packages,scripts,operator,examples,loadtest}/**/*.test.ts").scanSync(repositoryRoot),
  ];
  const own = tests.filter((file) => !file.includes("node_modules/"));
  expect(own.filter((file) => !parts.some((part) => file.includes(part)))).toEqual([]);
  // A part without a test would be a job that fails.
  expect(parts.filter((part) => !own.some((file) => file.includes(part)))).toEqual([]);
});

test("every night has every load test", () => {
  for (const name of scenarioNames) expect(read("loadtest.yml")).toContain(`"${name}"`);
});

describe("actionlint", () => {
  const lint = async (paths: readonly string[]) => {
    const binary = await actionlintBinary();
    // What else it calls, if it is there, is not the same on every machine.
    return Bun.spawnSync([binary, "-no-color", "-shellcheck=", "-pyflakes=", ...paths], {
      cwd: repositoryRoot,
    });
  };

  test("finds nothing in the workflows", async () => {
    const { stdout, exitCode } = await lint(files.map((file) => path.join(folder, file)));
    expect(stdout.toString()).toBe("");
    expect(exitCode).toBe(0);
  }, 300_000);

  test("finds an output that no job has", async () => {
    const temporary = mkdtempSync(path.join(tmpdir(), "payflow-workflow-"));
    try {
      const planted = path.join(temporary, "planted.yml");
      writeFileSync(
        planted,
        read("release.yml").replace("needs.image.outputs.digest ", "needs.image.outputs.digests "),
      );
      expect((await lint([planted])).stdout.toString()).toContain('"digests" is not defined');
    } finally {
      rmSync(temporary, { recursive: true });
    }
  }, 300_000);
});
