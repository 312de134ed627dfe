import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Contrib, Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { PackageURL } from "packageurl-js";
// @ts-expect-error It has no types, and is only handed on.
import spdx from "spdx-expression-parse";
import product from "../../../package.json";
import type { SystemPackage } from "./system-packages.ts";

/** A package of which the bundle holds something. */
export interface UsedPackage {
  readonly name: string;
  readonly version: string;
  /** As its manifest calls it. */
  readonly licence: string;
  readonly folder: string;
}

/** The packages that a bundle's inputs come from, by name; ours are left out. */
export function usedPackages(inputs: readonly string[]): UsedPackage[] {
  const folders = inputs.map((input) => /^(.*\bnode_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]);
  const found = [...new Set(folders.filter((folder) => folder !== undefined))].map((relative) => {
    const folder = path.resolve(repositoryRoot, relative);
    const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    return { name: manifest.name, version: manifest.version, licence: manifest.license ?? "", folder };
  });
  return found.sort((left, right) => (identity(left) < identity(right) ? -1 : 1));
}

const identity = ({ name, version }: { name: string; version: string }) => `${name}@${version}`;

/**
 * Bun itself, of the version that runs this, the packages in the bundle, and those of the system below them:
 * CycloneDX 1.6 in JSON, the same bytes for the same content.
 */
export function billOfMaterials(
  packages: readonly UsedPackage[],
  systemPackages: readonly SystemPackage[] = [],
): string {
  const components = [
    ...packages.map(npmComponent),
    componentOf({ name: "bun", version: Bun.version, licence: "MIT", purl: genericUrl("bun", Bun.version) }),
    ...systemPackages.map(systemComponent),
  ];
  const payflow = new Models.Component(Enums.ComponentType.Application, product.name, {
    version: product.version,
    bomRef: identity(product),
  });
  const bom = new Models.Bom({ metadata: new Models.Metadata({ component: payflow }) });
  for (const component of components) {
    bom.components.add(component);
    payflow.dependencies.add(component.bomRef);
  }
  // The same for the same content, where others take a random one.
  const content = [identity(product), ...components.map(({ purl }) => `${purl}`)].join("\n");
  const hash = createHash("sha256").update(content).digest("hex");
  bom.serialNumber = `urn:uuid:${uuidOf(hash)}`;
  const normalizers = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  return new Serialize.JsonSerializer(normalizers).serialize(bom, { sortLists: true, space: 2 });
}

interface ComponentFields {
  readonly group?: string | undefined;
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly purl: PackageURL;
}

function componentOf({ group, name, version, licence, purl }: ComponentFields): Models.Component {
  const full = group === undefined ? name : `${group}/${name}`;
  const component = new Models.Component(Enums.ComponentType.Library, name, {
    ...(group === undefined ? {} : { group }),
    ...(version === "" ? {} : { version }),
    bomRef: version === "" ? full : identity({ name: full, version }),
    purl: purl.toString(),
  });
  const factory = new Contrib.License.Factories.LicenseFactory(spdx);
  if (licence !== "") component.licenses.add(factory.makeFromString(licence));
  return component;
}

function npmComponent({ name, version, licence }: UsedPackage): Models.Component {
  const [, group, bare = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [];
  const purl = new PackageURL("npm", group, bare, version, undefined, undefined);
  return componentOf({ group, name: bare, version, licence, purl });
}

function systemComponent({ name, version, licence, source }: SystemPackage): Models.Component {
  if (source === undefined) return componentOf({ name, version, licence, purl: genericUrl(name, undefined) });
  const { system, systemVersion, architecture } = source;
  const qualifiers = { arch: architecture, distro: `${system}-${systemVersion}` };
  const purl = new PackageURL("deb", system, name, version, qualifiers, undefined);
  return componentOf({ name, version, licence, purl });
}

const genericUrl = (name: string, version: string | undefined) =>
  new PackageURL("generic", undefined, name, version, undefined, undefined);

/** A version 8 UUID (RFC 9562) of a hash in hexadecimal digits. */
function uuidOf(hash: string): string {
  const parts = [hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`, `8${hash.slice(17, 20)}`];
  return [...parts, hash.slice(20, 32)].join("-");
}

/** What the packages' licences ask for: their texts, each under the name of its package. */
export function licenceTexts(packages: readonly UsedPackage[]): string {
  return packages
    .map(({ name, version, licence, folder }) => {
      const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
      const texts = files.sort().map((file) => readFileSync(path.join(folder, file), "utf8").trim());
      return [`${name} ${version} (${licence})`, ...texts].join("\n\n");
    })
    .join(`\n\n${"-".repeat(80)}\n\n`);
}
