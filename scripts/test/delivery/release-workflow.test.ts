import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

const workflow = readFileSync(path.join(repositoryRoot, ".github/workflows/release.yml"), "utf8");

/** Lines that make something to publish, but for the image of several processors and the command that is tested. */
const builds = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /helm package|sha256sum(?! --check)|crds\/|\btar |cyclonedx|payflow release/.test(line))
    .filter((line) => !line.startsWith('./payflow release --dry-run --tag "$TAG"'));

test("the release workflow publishes what ./payflow release builds, under a tag that it has checked", () => {
  expect(workflow.match(/\.\/payflow release --dry-run --tag "\$TAG"$/gm)).toHaveLength(1);
  expect(builds(workflow)).toEqual([]);
  const other = workflow.replace("helm push", "helm package charts/payflow --destination dist && helm push");
  expect(builds(other)).toHaveLength(1);
  expect(builds(workflow.replaceAll(' --tag "$TAG"', ""))).toHaveLength(2);
});

test("release notes are the section of the changelog that has the version", async () => {
  const [program] = /^ +awk .*$/m.exec(workflow) ?? [""];
  const temporary = mkdtempSync(path.join(tmpdir(), "payflow-notes-"));
  try {
    const sections = ["[Unreleased]\n\nlater\n", "[0.2.0] - 2026-12-01\n\nnow\n", "[0.2] - x\n\nearlier\n"];
    writeFileSync(path.join(temporary, "CHANGELOG.md"), sections.map((text) => `## ${text}`).join("\n"));
    const env = { PATH: process.env.PATH, VERSION: "0.2.0" };
    expect((await runCommand(["sh", "-c", program], { cwd: temporary, env })).exitCode).toBe(0);
    expect(readFileSync(path.join(temporary, "notes.md"), "utf8").trim()).toBe("now");
  } finally {
    rmSync(temporary, { recursive: true });
  }
});
