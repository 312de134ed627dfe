import { readFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { Command } from "commander";

interface ReleaseFlags {
  readonly out: string;
  readonly dryRun?: true;
  readonly tag?: string;
}

export function releaseCommand(): Command {
  return new Command("release")
    .description(
      "Builds what a release consists of: image, chart, resource definitions, bill of materials, licences and " +
        "checksums, the same bytes each time. Publishing it is the release workflow's.",
    )
    .option("--dry-run", "build, and publish nothing")
    .option("--out <folder>", "where to", path.join(repositoryRoot, "dist"))
    .option("--tag <tag>", "refuse what this tag may not be given to: another version, or changed files")
    .action(release);
}

async function release({ out, dryRun, tag }: ReleaseFlags): Promise<void> {
  const { productVersion } = await import("../../release/product-version.ts");
  const { describeSource, sourceState, tagProblem } = await import("../../release/source-state.ts");
  const version = productVersion(repositoryRoot);
  if (!dryRun) {
    throw new Error(
      `The release workflow publishes and signs, when the tag v${version} is pushed (docs/releasing.md). ` +
        "With --dry-run everything that it would publish is built here.",
    );
  }
  const state = sourceState(repositoryRoot);
  const problem = tag === undefined ? null : tagProblem(tag, version, state);
  if (problem !== null) throw new Error(problem);
  // Loaded only here, since it loads every package's licence.
  const { buildRelease } = await import("../../release/build-release.ts");
  const { imageName, imageDigest, checksums } = await buildRelease(out);
  console.log(`PayFlow ${version} in ${out}:\n\n${readFileSync(checksums, "utf8")}`);
  console.log(`The image is ${imageName}, ${imageDigest}.`);
  console.log(`${describeSource(state)} Nothing was published.`);
}
