import { readFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { Glob } from "bun";
import { copyCheckout } from "../delivery/checkout.ts";

/** One line of a Dockerfile: `{ word: "RUN", rest: "bun install" }`. */
export interface Instruction {
  readonly word: string;
  readonly rest: string;
}

/** The stages of our Dockerfile, the one of the image last; variables are filled in. */
export function dockerfileStages(): Instruction[][] {
  const text = readFileSync(path.join(repositoryRoot, "Dockerfile"), "utf8");
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const values = new Map<string, string>();
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [, word = "", rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    const filled = rest.replace(/\$\{(\w+)\}/g, (_, name) => values.get(name) ?? "");
    const [, name = "", value = ""] = /^(\w+)=(.*)$/.exec(rest) ?? [];
    if (word === "ARG") values.set(name, value);
    if (word === "FROM") stages.push([]);
    stages.at(-1)?.push({ word, rest: filled });
  }
  return stages;
}

/** What the words of this kind say, in the order in which they stand. */
export function said(stage: readonly Instruction[], word: string): string[] {
  return stage.filter((one) => one.word === word).map(({ rest }) => rest);
}

/** Copies into `folder` what .dockerignore lets into a build: of patterns that match, the last one counts. */
export function copyContext(folder: string): void {
  const lines = readFileSync(path.join(repositoryRoot, ".dockerignore"), "utf8").split("\n");
  const rules = lines
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({ isKept: line.startsWith("!"), pattern: line.replace(/^!/, "") }))
    .map(({ isKept, pattern }) => ({ isKept, globs: [new Glob(pattern), new Glob(`${pattern}/**`)] }));
  copyCheckout(folder, (file) => {
    const last = rules.findLast(({ globs }) => globs.some((glob) => glob.match(file)));
    return last?.isKept === true;
  });
}
