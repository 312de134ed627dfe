import path from "node:path";
import { Glob } from "bun";
import { type Need, needsOf } from "./needs.ts";

/**
 * What may run beside a job. A file asserts deadlines that a busy machine would break: it is `alone` where it
 * needs all of the machine, `quiet` where it waits most of the time and one other such file does no harm.
 */
export type Company = "many" | "quiet" | "alone";

/** One process of a test run. */
export interface Job {
  readonly name: string;
  readonly command: readonly string[];
  /** A check passes or fails as a whole; tests are counted one by one. */
  readonly kind: "check" | "tests";
  readonly company: Company;
  /** It waits until these are there. */
  readonly needs: readonly Need[];
}

/**
 * What a run consists of: the static checks, one job for the unit tests of each workspace, and one for each
 * file that needs servers, so that these run side by side. With a pattern, only the files whose path contains
 * it.
 */
export function planJobs(root: string, pattern: string | undefined): Job[] {
  const files = [
    ...new Glob("{apps,packages,scripts,operator,examples,loadtest}/**/*.test.ts").scanSync(root),
  ]
    .filter((file) => !file.includes("node_modules/"))
    .filter((file) => pattern === undefined || file.includes(pattern))
    .sort();
  if (files.length === 0) throw new Error(`No test file's path contains "${pattern}".`);
  const groups = new Map<string, string[]>();
  for (const file of files) {
    const name = needsServers(file) ? file : `${workspaceOf(file)} (unit)`;
    groups.set(name, [...(groups.get(name) ?? []), file]);
  }
  const tests = [...groups].map(([name, members]) => testJob(root, name, members));
  return pattern === undefined ? [...staticChecks(root), ...tests] : tests;
}

function testJob(root: string, name: string, files: readonly string[]): Job {
  const paths = files.map((file) => `./${file}`);
  return {
    name,
    // The time-out in bunfig.toml is that of tests; only the flag's holds for their hooks too.
    command: [process.execPath, "test", "--timeout", "30000", ...paths],
    kind: "tests",
    company: companyOf(files),
    needs: [...new Set(files.filter(needsServers).flatMap((file) => needsOf(root, file)))],
  };
}

function companyOf(files: readonly string[]): Company {
  const is = (company: Company) => files.some((file) => file.endsWith(`.${company}.test.ts`));
  return is("alone") ? "alone" : is("quiet") ? "quiet" : "many";
}

function staticChecks(root: string): Job[] {
  const binary = (name: string) => path.join(root, "node_modules/.bin", name);
  const check = (name: string, command: string[]): Job => ({
    ...{ name, command },
    kind: "check",
    company: "many",
    needs: [],
  });
  return [
    check("format and lint", [binary("biome"), "check", "."]),
    check("types", [binary("tsc"), "--noEmit"]),
  ];
}

/** By our layout: pure logic is tested beside its file, everything with servers in a `test` folder. */
function needsServers(file: string): boolean {
  return file.split("/").includes("test");
}

function workspaceOf(file: string): string {
  const [area = "", name = ""] = file.split("/");
  return area === "apps" || area === "packages" ? `${area}/${name}` : area;
}
