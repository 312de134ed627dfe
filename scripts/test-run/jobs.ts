import { readFileSync } from "node:fs";
import path from "node:path";
import { Glob } from "bun";

/** One process of a test run. */
export interface Job {
  readonly name: string;
  readonly command: readonly string[];
  /** A check passes or fails as a whole; tests are counted one by one. */
  readonly kind: "check" | "tests";
  /** Runs when nothing else does, since it asserts a deadline that a busy machine would break. */
  readonly isAlone: boolean;
  /** Waits until the run's Kafka is there. */
  readonly usesKafka: boolean;
  /** Needs k6, which is built meanwhile. */
  readonly usesK6: boolean;
  /** Waits until the run's Kubernetes API is there, which has to be built the first time. */
  readonly usesKubernetes: boolean;
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
    isAlone: files.some((file) => file.endsWith(".alone.test.ts")),
    usesKafka: files.some((file) => usesKafka(root, file)),
    usesK6: files.some((file) => file.startsWith("scripts/test/loadtest/")),
    usesKubernetes: files.some((file) => usesKubernetes(root, file)),
  };
}

function staticChecks(root: string): Job[] {
  const binary = (name: string) => path.join(root, "node_modules/.bin", name);
  const check = (name: string, command: string[]): Job => ({
    ...{ name, command },
    kind: "check",
    isAlone: false,
    usesKafka: false,
    usesK6: false,
    usesKubernetes: false,
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

/** A file that is about Kafka says so in its path; one that only uses it imports the test kit's. */
function usesKafka(root: string, file: string): boolean {
  if (!needsServers(file)) return false;
  return file.includes("kafka") || readFileSync(path.join(root, file), "utf8").includes("/testkit/kafka.ts");
}

/** The operator's files with servers, which may import it by way of others; those that name or import it. */
function usesKubernetes(root: string, file: string): boolean {
  if (!needsServers(file)) return false;
  if (file.startsWith("operator/") || file.includes("kubernetes")) return true;
  const text = readFileSync(path.join(root, file), "utf8");
  return /\/testkit\/kubernetes\.ts"|\/one-machine\/cluster\//.test(text);
}

function workspaceOf(file: string): string {
  const [area = "", name = ""] = file.split("/");
  return area === "apps" || area === "packages" ? `${area}/${name}` : area;
}
