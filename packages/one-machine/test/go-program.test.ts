import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type GoProgram, goProgram, isGoProgramBuilt, requiredVersion } from "../src/programs/go-program.ts";

const patienceMs = 300_000;
const usualCache = process.env.PAYFLOW_CACHE;
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "payflow-go-program-"));
  process.env.PAYFLOW_CACHE = path.join(folder, "cache");
});
afterEach(() => {
  if (usualCache === undefined) delete process.env.PAYFLOW_CACHE;
  else process.env.PAYFLOW_CACHE = usualCache;
  rmSync(folder, { recursive: true, force: true });
});

function programThatSays(word: string): GoProgram {
  const moduleFolder = path.join(folder, "module");
  mkdirSync(moduleFolder, { recursive: true });
  writeFileSync(path.join(moduleFolder, "go.mod"), "module example.org/speaker\n\ngo 1.26.0\n");
  writeFileSync(path.join(moduleFolder, "go.sum"), "");
  writeFileSync(path.join(moduleFolder, "main.go"), `package main\n\nfunc main() { println("${word}") }\n`);
  return { name: "speaker", version: "1.0.0", moduleFolder, package: ".", sources: ["main.go"] };
}

const say = (file: string) => Bun.spawnSync([file]).stderr.toString().trim();

test(
  "a program is built once, however many ask for it at once, and anew when its source has changed",
  async () => {
    const program = programThatSays("first");
    expect(isGoProgramBuilt(program)).toBe(false);
    const files = await Promise.all([goProgram(program), goProgram(program), goProgram(program)]);
    expect(new Set(files).size).toBe(1);
    const [file = ""] = files;
    expect(say(file)).toBe("first");
    const { mtimeMs } = statSync(file);
    expect(await goProgram(program)).toBe(file);
    expect(statSync(file).mtimeMs).toBe(mtimeMs);

    const changed = await goProgram(programThatSays("second"));
    expect(say(changed)).toBe("second");
    // Neither claims nor half-built programs stay.
    expect(readdirSync(path.join(folder, "cache"))).toHaveLength(2);
  },
  patienceMs,
);

test(
  "a build that was killed stands in nobody's way, and a source that does not compile is told",
  async () => {
    const program = programThatSays("again");
    const { moduleFolder } = program;
    writeFileSync(path.join(moduleFolder, "main.go"), "package main\n\nfunc main() { nonsense }\n");
    await expect(goProgram(program)).rejects.toThrow("speaker could not be built");

    const whole = programThatSays("again");
    const file = await goProgram(whole);
    rmSync(path.dirname(file), { recursive: true });
    // A claim whose process has ended, or whose number another process has by now.
    writeFileSync(`${path.dirname(file)}.building`, JSON.stringify({ pid: process.pid, startedAt: "0" }));
    expect(say(await goProgram(whole))).toBe("again");
  },
  patienceMs,
);

test("the version of a module is read from the go.mod that requires it", () => {
  const { moduleFolder } = programThatSays("nothing");
  const lines =
    "module m\n\nrequire example.org/one v1.2.3\n\nrequire (\n\texample.org/two v0.4.0 // indirect\n)\n";
  writeFileSync(path.join(moduleFolder, "go.mod"), lines);
  expect(requiredVersion(moduleFolder, "example.org/one")).toBe("1.2.3");
  expect(requiredVersion(moduleFolder, "example.org/two")).toBe("0.4.0");
  expect(() => requiredVersion(moduleFolder, "example.org/three")).toThrow("names no version");
});
