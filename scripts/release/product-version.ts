import { readFileSync } from "node:fs";
import path from "node:path";
import { Glob, YAML } from "bun";

interface StatedVersion {
  readonly file: string;
  /** As it stands there; undefined where nothing does. */
  readonly version: string | undefined;
  /** Where in the file, or in which form. */
  readonly as: string;
}

/** The version of everything that a checkout makes: what its package.json says. */
export function productVersion(root: string): string {
  const { version } = JSON.parse(read(root, "package.json"));
  return version;
}

/** What says another version than package.json does, in sentences; empty where all agree. */
export function versionProblems(root: string): string[] {
  const wanted = productVersion(root);
  return [...manifests(root), ...chart(root), ...dockerfile(root), ...changelog(root)]
    .filter(({ version }) => version !== wanted)
    .map(({ file, version, as }) => {
      const found = version === undefined ? "has nothing for it" : `says ${version}`;
      return `${file} ${found} (${as}), and package.json says ${wanted}.`;
    });
}

/** All workspaces are released as one. */
function manifests(root: string): StatedVersion[] {
  const found = [...new Glob("{apps,packages}/*/package.json").scanSync(root), "operator/package.json"];
  return found.sort().map((file) => ({ file, version: JSON.parse(read(root, file)).version, as: "version" }));
}

function chart(root: string): StatedVersion[] {
  const file = "charts/payflow/Chart.yaml";
  // Helm's own form, of which two fields are read; the second is the image's tag where no other is set.
  const said = YAML.parse(read(root, file)) as Readonly<Record<string, string | undefined>>;
  return ["version", "appVersion"].map((as) => ({ file, version: said[as], as }));
}

function dockerfile(root: string): StatedVersion[] {
  const said = /^LABEL org\.opencontainers\.image\.version="(.*)"$/m.exec(read(root, "Dockerfile"));
  return [{ file: "Dockerfile", version: said?.[1], as: "LABEL org.opencontainers.image.version" }];
}

/** The newest heading of a version; what stands above it, under Unreleased, is of the next. */
function changelog(root: string): StatedVersion[] {
  const said = /^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$/m.exec(read(root, "CHANGELOG.md"));
  return [{ file: "CHANGELOG.md", version: said?.[1], as: "the newest heading ## [VERSION] - YYYY-MM-DD" }];
}

const read = (root: string, file: string) => readFileSync(path.join(root, file), "utf8");
