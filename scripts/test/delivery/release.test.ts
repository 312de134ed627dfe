import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type CommandResult, runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { releaseFiles } from "../../release/build-release.ts";
import { productVersion, versionProblems } from "../../release/product-version.ts";
import { documents, helm, leastValues, names } from "../chart/chart.ts";
import { filesBelow, unpackImage } from "../image/archive.ts";
import { copyCheckout } from "./checkout.ts";

const patienceMs = 300_000;
const folder = mkdtempSync(path.join(tmpdir(), "payflow-release-test-"));
const [first, second] = [path.join(folder, "first"), path.join(folder, "second")];
/** Where the checkout lies; it moves, so that what it builds cannot tell where it was. */
let checkout = path.join(folder, "checkout");

const git = (...words: string[]) => {
  const author = [
    "-c",
    "user.name=Release",
    "-c",
    "user.email=release@payflow.example",
    "-c",
    "commit.gpgsign=false",
  ];
  return runCommand(["git", ...author, ...words], { cwd: checkout });
};

/** `./payflow release` of the copy, in a process that makes files with this mask. */
function release(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  mask = "022",
): Promise<CommandResult> {
  const command = [process.execPath, "--no-env-file", "scripts/payflow.ts", "release", ...words];
  return runCommand(["sh", "-c", 'umask "$1"; shift; exec "$@"', "sh", mask, ...command], {
    ...{ cwd: checkout, env: { ...process.env, ...env } },
  });
}

/** Changes a file of the copy for as long as `during` takes. */
async function planted<T>(
  file: string,
  change: (text: string) => string,
  during: () => T,
): Promise<Awaited<T>> {
  const target = path.join(checkout, file);
  const text = readFileSync(target, "utf8");
  expect(change(text)).not.toBe(text);
  writeFileSync(target, change(text));
  try {
    return await during();
  } finally {
    writeFileSync(target, text);
  }
}

const version = () => productVersion(checkout);
const files = releaseFiles(first);
const read = (file: string) => readFileSync(file, "utf8");

beforeAll(async () => {
  copyCheckout(checkout);
  for (const command of [
    ["git", "init", "--quiet"],
    [process.execPath, "install", "--frozen-lockfile", "--ignore-scripts", "--silent"],
  ]) {
    expect(await runCommand(command, { cwd: checkout })).toMatchObject({ exitCode: 0 });
  }
  await git("add", "--all");
  expect(await git("commit", "--quiet", "--message", "a release")).toMatchObject({ exitCode: 0 });
  expect(await release(["--dry-run", "--out", first])).toMatchObject({ exitCode: 0 });
}, patienceMs);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test(
  "a release is the same to the byte when it is built again, later, elsewhere, under its tag and other settings",
  async () => {
    const moved = path.join(folder, "moved", "elsewhere");
    mkdirSync(path.dirname(moved));
    renameSync(checkout, moved);
    checkout = moved;
    for (const name of ["charts/payflow/values.yaml", "crds/tenants.yaml", "LICENSE"]) {
      utimesSync(path.join(checkout, name), new Date(), new Date(2001, 1, 1));
    }
    const words = ["--dry-run", "--tag", `v${version()}`, "--out", second];
    const again = await release(words, { TZ: "Asia/Kolkata", LC_ALL: "C" }, "077");
    expect(again).toMatchObject({ exitCode: 0 });
    expect(filesBelow(second)).toEqual(filesBelow(first));
    const commit = (await git("rev-parse", "HEAD")).stdout.slice(0, 12);
    expect(again.output).toContain(`Built of commit ${commit}. Nothing was published.`);
  },
  patienceMs,
);

describe("what a release has", () => {
  test(
    "is all in its checksums, as sha256sum reads them",
    async () => {
      const { exitCode, stdout } = await runCommand(["sha256sum", "--check", "SHA256SUMS"], { cwd: first });
      expect(exitCode).toBe(0);
      const checked = stdout.trim().split("\n");
      expect(checked.map((line) => line.replace(/: OK$/, "")).sort()).toEqual(
        Object.keys(filesBelow(first)).filter((name) => name !== "SHA256SUMS"),
      );
      expect(checked).toHaveLength(5);
    },
    patienceMs,
  );

  test(
    "is a chart that renders what the checkout's own renders, with the release's image",
    async () => {
      const rendered = (chart: string) =>
        helm(["template", "payflow", chart, "--values", "-"], JSON.stringify(leastValues));
      const packaged = await rendered(files.chart);
      expect(packaged).toMatchObject({ exitCode: 0 });
      expect(packaged.text).toBe((await rendered(path.join(checkout, "charts/payflow"))).text);
      expect(packaged.text).toContain(`image: payflow:${version()}`);
    },
    patienceMs,
  );

  test(
    "is every resource definition, as the chart has them",
    async () => {
      const rendered = await helm(
        ["template", "payflow", files.chart, "--values", "-", "--show-only", "templates/crds.yaml"],
        JSON.stringify(leastValues),
      );
      const kind = "CustomResourceDefinition";
      const bundled = names(documents(read(files.crds)), kind);
      expect(bundled.length).toBeGreaterThanOrEqual(3);
      expect(bundled.sort()).toEqual(names(documents(rendered.text), kind).sort());
    },
    patienceMs,
  );

  test("is an image whose every part, down to the C library, stands in the bill of materials with a licence", () => {
    const image = unpackImage(files.imageArchive, path.join(folder, "image"));
    const { components } = JSON.parse(read(files.sbom));
    const inside = JSON.parse(readFileSync(path.join(image.root, "app/sbom.cdx.json"), "utf8")).components;
    const urls: string[] = components.map(({ purl }: { purl: string }) => purl);
    for (const { purl } of inside) expect(urls).toContain(purl);
    const system = components.filter(({ purl }: { purl: string }) => !/^pkg:(npm|generic\/bun@)/.test(purl));
    expect(system.length).toBeGreaterThan(0);
    expect(components.length).toBe(inside.length + system.length);
    if (Bun.which("dpkg-query") === null) return;
    const c = system.find(({ name }: { name: string }) => name === "libc6");
    expect(c.licenses).toEqual([{ license: { id: "LGPL-2.1-or-later" } }]);
    const record = readFileSync(path.join(image.root, "var/lib/dpkg/status.d/libc6"), "utf8");
    expect(record).toContain(`\nVersion: ${c.version}\n`);
    for (const { name, licenses } of components)
      expect({ name, licences: licenses?.length }).toEqual({ name, licences: 1 });
  });

  test("is a licence report", () => {
    expect(read(files.licences)).toBe(readFileSync(path.join(checkout, "docs/licences.md"), "utf8"));
  });
});

describe("one version", () => {
  test("is said everywhere", () => expect(versionProblems(checkout)).toEqual([]));

  test.each([
    ["charts/payflow/Chart.yaml", /^version: .*/m, "version: 9.9.9", "says 9.9.9 (version)"],
    ["charts/payflow/Chart.yaml", /^appVersion: .*/m, "appVersion: 9.9.9", "says 9.9.9 (appVersion)"],
    ["Dockerfile", /image\.version=".*"/, 'image.version="9.9.9"', "says 9.9.9 (LABEL"],
    ["apps/ledger/package.json", /"version": ".*"/, '"version": "9.9.9"', "says 9.9.9 (version)"],
    ["CHANGELOG.md", /^## \[\d/m, "## [9.9.9] - 2026-12-01\n\n## [1", "says 9.9.9 (the newest heading"],
    ["CHANGELOG.md", /^## \[\d.*/gm, "## Unreleased", "has nothing for it (the newest heading"],
  ])("is missed where %p breaks it by %p", async (file, from, to, said) => {
    const problems = await planted(
      file,
      (text) => text.replace(from, to),
      () => versionProblems(checkout),
    );
    expect(problems).toEqual([expect.stringContaining(`${file} ${said}`)]);
  });

  test(
    "is what a release is refused without, before anything is written",
    async () => {
      const out = path.join(folder, "refused");
      const refused = await planted(
        ...([
          "charts/payflow/Chart.yaml",
          (text: string) => text.replace(/^appVersion: .*/m, "appVersion: 9.9.9"),
        ] as const),
        () => release(["--dry-run", "--out", out]),
      );
      expect(refused).toMatchObject({ exitCode: 1 });
      expect(refused.output).toContain("Chart.yaml says 9.9.9 (appVersion), and package.json says");
      expect(() => filesBelow(out)).toThrow();
    },
    patienceMs,
  );
});

describe("a tag", () => {
  const out = path.join(folder, "tagged");

  test(
    "of another version is refused",
    async () => {
      const refused = await release(["--dry-run", "--tag", "v9.9.9", "--out", out]);
      expect(refused).toMatchObject({ exitCode: 1 });
      expect(refused.output).toContain(`v9.9.9 is not the tag of ${version()}`);
    },
    patienceMs,
  );

  test(
    "is refused to files that no commit has",
    async () => {
      const refused = await planted(
        "README.md",
        (text) => `${text}\n`,
        () => release(["--dry-run", "--tag", `v${version()}`, "--out", out]),
      );
      expect(refused).toMatchObject({ exitCode: 1 });
      expect(refused.output).toContain("1 file is not as");
      expect(refused.output).toContain("the first is README.md");
    },
    patienceMs,
  );
});

test(
  "publishing is left to the workflow",
  async () => {
    const refused = await release([]);
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.output).toContain("--dry-run");
  },
  patienceMs,
);
