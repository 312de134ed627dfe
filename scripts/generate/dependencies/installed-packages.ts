import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

/** A package of the lock file that every machine installs. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  /** As its manifest calls it; empty where it says nothing. */
  readonly licence: string;
  readonly folder: string;
}

/**
 * All packages of the lock file with their licences, by name. Those for one kind of machine are left out, so
 * that every machine finds the same: their kin, which choose among them, are here.
 */
export function installedPackages(): InstalledPackage[] {
  const manifests = installedManifests();
  return lockedPackages().map(({ name, version }) => {
    const found = manifests.get(`${name}@${version}`);
    if (found === undefined) throw new Error(`${name} ${version} is locked and not installed: bun install.`);
    return { name, version, ...found };
  });
}

/** Entries are [NAME@VERSION, registry, details, hash]; workspaces of ours have one element. */
type LockEntry = readonly [string, string?, { readonly os?: unknown; readonly cpu?: unknown }?];

function lockedPackages(): { readonly name: string; readonly version: string }[] {
  const text = readFileSync(path.join(repositoryRoot, "bun.lock"), "utf8");
  // The lock is JSON but for commas before closing brackets.
  const entries: LockEntry[] = Object.values(JSON.parse(text.replaceAll(/,(\s*[}\]])/g, "$1")).packages);
  const common = entries.filter(([, registry, details]) => {
    const isForOneKind = details?.os !== undefined || details?.cpu !== undefined;
    return registry !== undefined && !isForOneKind;
  });
  const identities = [...new Set(common.map(([identity]) => identity))].sort();
  return identities.map((identity) => {
    const at = identity.lastIndexOf("@");
    return { name: identity.slice(0, at), version: identity.slice(at + 1) };
  });
}

function installedManifests(): Map<string, { readonly licence: string; readonly folder: string }> {
  const found = new Map<string, { licence: string; folder: string }>();
  const store = path.join(repositoryRoot, "node_modules/.bun");
  for (const entry of readdirSync(store)) {
    for (const folder of packageFolders(path.join(store, entry, "node_modules"))) {
      const { name, version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
      found.set(`${name}@${version}`, { licence: typeof license === "string" ? license : "", folder });
    }
  }
  return found;
}

/** The packages of a folder: one is there itself, and those it imports are links. */
function packageFolders(modules: string): string[] {
  if (!existsSync(modules)) return [];
  return readdirSync(modules, { withFileTypes: true }).flatMap((entry) => {
    const folder = path.join(modules, entry.name);
    if (!entry.isDirectory()) return [];
    if (entry.name.startsWith("@")) return packageFolders(folder);
    return existsSync(path.join(folder, "package.json")) ? [folder] : [];
  });
}
