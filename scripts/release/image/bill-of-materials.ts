import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Contrib, Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { PackageURL } from "packageurl-js";
// @ts-expect-error It has no types, and is only handed on.
import spdx from "spdx-expression-parse";
import product from "../../../package.json";

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

/** Bun itself, of the version that runs this, and the packages in the bundle, as CycloneDX 1.6 in JSON. */
export function billOfMaterials(packages: readonly UsedPackage[]): string {
  const bom = new Models.Bom();
  const licences = new Contrib.License.Factories.LicenseFactory(spdx);
  const add = (group: string | undefined, name: string, version: string, type: string, licence: string) => {
    const component = new Models.Component(Enums.ComponentType.Library, name, {
      ...(group === undefined ? {} : { group }),
      version,
      bomRef: identity({ name: group === undefined ? name : `${group}/${name}`, version }),
      purl: new PackageURL(type, group, name, version, undefined, undefined).toString(),
    });
    if (licence !== "") component.licenses.add(licences.makeFromString(licence));
    bom.components.add(component);
    return component;
  };
  const used = packages.map(({ name, version, licence }) => {
    const [, group, bare = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [];
    return add(group, bare, version, "npm", licence);
  });
  used.push(add(undefined, "bun", Bun.version, "generic", "MIT"));
  const payflow = new Models.Component(Enums.ComponentType.Application, product.name, {
    version: product.version,
    bomRef: identity(product),
  });
  for (const { bomRef } of used) payflow.dependencies.add(bomRef);
  bom.metadata.component = payflow;
  // The same for the same content, where others take a random one.
  const content = createHash("sha256").update(packages.map(identity).join("\n")).digest("hex");
  bom.serialNumber = `urn:uuid:${uuidOf(content)}`;
  const normalizers = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  return new Serialize.JsonSerializer(normalizers).serialize(bom, { sortLists: true, space: 2 });
}

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
