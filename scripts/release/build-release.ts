import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { licencePage } from "../generate/dependencies/licence-page.ts";
import { buildImage, imageConfig } from "./image/build-image.ts";
import { packageChart } from "./packaged-chart.ts";
import { productVersion, versionProblems } from "./product-version.ts";

/** What a release consists of, as paths. */
export interface ReleaseFiles {
  /** The image for this machine's processor, as an OCI archive. */
  readonly imageArchive: string;
  /** What `helm install` takes. */
  readonly chart: string;
  /** All resource definitions, for `kubectl apply`. */
  readonly crds: string;
  /** What is in the image: CycloneDX in JSON. */
  readonly sbom: string;
  /** The licence of every package that builds, tests or runs PayFlow. */
  readonly licences: string;
  /** Of all the others, as `sha256sum --check` reads them. It is there when everything is. */
  readonly checksums: string;
}

export interface Release extends ReleaseFiles {
  readonly version: string;
  /** What engines call the image once it is loaded, as the chart does where nothing else is said. */
  readonly imageName: string;
  /** Of the image's manifest: `sha256:…`. */
  readonly imageDigest: string;
}

/** Where `buildRelease` puts what it builds into `folder`. */
export function releaseFiles(folder: string): ReleaseFiles {
  const name = path.join(folder, `payflow-${productVersion(repositoryRoot)}`);
  return {
    imageArchive: `${name}-image-${imageConfig.architecture}.tar`,
    chart: `${name}.tgz`,
    crds: `${name}-crds.yaml`,
    sbom: `${name}-sbom.cdx.json`,
    licences: `${name}-licences.md`,
    checksums: path.join(folder, "SHA256SUMS"),
  };
}

/**
 * Builds what a release of this checkout consists of into `folder`. The same checkout gives the same bytes on
 * the same system, wherever it lies. Throws, before it writes anything, where versions differ.
 */
export async function buildRelease(folder: string): Promise<Release> {
  const problems = versionProblems(repositoryRoot);
  if (problems.length > 0) throw new Error(`A release has one version. ${problems.join(" ")}`);
  mkdirSync(folder, { recursive: true });
  const files = releaseFiles(folder);
  const { checksums, ...summed } = files;
  rmSync(checksums, { force: true });
  const [image] = await Promise.all([buildImage(files.imageArchive), packageChart(files.chart)]);
  writeFileSync(files.crds, definitions());
  writeFileSync(files.sbom, `${image.bill}\n`);
  writeFileSync(
    files.licences,
    licencePage()
      .map(({ text }) => text)
      .join(""),
  );
  writeFileSync(checksums, checksumsOf(Object.values(summed)));
  const version = productVersion(repositoryRoot);
  return { ...files, version, imageName: image.name, imageDigest: image.digest };
}

function definitions(): string {
  const folder = path.join(repositoryRoot, "crds");
  const names = readdirSync(folder).sort();
  return names.map((name) => readFileSync(path.join(folder, name), "utf8")).join("---\n");
}

function checksumsOf(files: readonly string[]): string {
  const lines = [...files].sort().map((file) => {
    const hash = createHash("sha256").update(readFileSync(file)).digest("hex");
    return `${hash}  ${path.basename(file)}\n`;
  });
  return lines.join("");
}
