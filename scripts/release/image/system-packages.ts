import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What the image has of this machine's Linux: a package, or a file that no package claims. */
export interface SystemPackage {
  readonly name: string;
  /** Empty where nobody knows it. */
  readonly version: string;
  /** As an SPDX expression; empty where nobody has looked. */
  readonly licence: string;
  /** Where a package manager knows it. */
  readonly source?: {
    readonly system: string;
    readonly systemVersion: string;
    readonly architecture: string;
  };
}

const osRelease = "/etc/os-release";

/** The packages of these files, by name. Only dpkg is asked; what it does not know stands for itself. */
export function systemPackages(files: readonly string[]): SystemPackage[] {
  const found = new Map(files.map(packageOf).map((one) => [one.name, one]));
  return [...found.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}

function packageOf(file: string): SystemPackage {
  const name = ownerOf(file);
  if (name === null) return { name: path.basename(file), version: "", licence: "" };
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own form
  const format = "${Package}\n${Version}\n${Architecture}\n${source:Package}\n";
  const said = dpkgQuery("--show", `--showformat=${format}`, name)?.split("\n") ?? [];
  const [bare = name, version = "", architecture = "", source = ""] = said;
  const system = systemName();
  return {
    ...{ name: bare, version, licence: licenceOf(source) },
    source: { system: system.ID ?? "linux", systemVersion: system.VERSION_ID ?? "", architecture },
  };
}

/** The package with its architecture, `libc6:amd64`; null where dpkg knows of none. */
function ownerOf(file: string): string | null {
  // Where /lib is a link to /usr/lib, some packages name their files in the one and some in the other.
  const said = dpkgQuery("--search", `*${file.replace(/^\/usr(?=\/)/, "")}`);
  return said === null ? null : (/^(\S+?):? \//.exec(said)?.[1] ?? null);
}

function dpkgQuery(...words: readonly string[]): string | null {
  if (Bun.which("dpkg-query") === null) return null;
  const { exitCode, stdout } = Bun.spawnSync(["dpkg-query", ...words]);
  return exitCode === 0 ? stdout.toString() : null;
}

/** Of what Bun may be linked with, by source: packages say it in words that no program reads. */
function licenceOf(source: string): string {
  if (source === "glibc") return "LGPL-2.1-or-later";
  return /^gcc-\d+$/.test(source) ? "GPL-3.0-or-later WITH GCC-exception-3.1" : "";
}

/** The fields of os-release(5), without quotes. */
function systemName(): Readonly<Record<string, string>> {
  const lines = existsSync(osRelease) ? readFileSync(osRelease, "utf8").split("\n") : [];
  return Object.fromEntries(lines.map((line) => /^(\w+)="?(.*?)"?$/.exec(line)?.slice(1, 3) ?? ["", ""]));
}

/**
 * Writes below `folder` what scanners of images look for, as Google's distroless images have it, and the
 * packages' own licences: the system's name, and a record of each package.
 */
export function writeSystemRecords(folder: string, packages: readonly SystemPackage[]): void {
  const put = (file: string, write: (target: string) => void) => {
    const target = path.join(folder, file);
    mkdirSync(path.dirname(target), { recursive: true });
    write(target);
  };
  if (existsSync(osRelease)) put(osRelease, (target) => cpSync(osRelease, target, { dereference: true }));
  for (const { name, source } of packages) {
    const record = source && dpkgQuery("--status", `${name}:${source.architecture}`);
    if (record) put(`var/lib/dpkg/status.d/${name}`, (target) => writeFileSync(target, record));
    const copyright = `/usr/share/doc/${name}/copyright`;
    if (existsSync(copyright)) put(copyright, (target) => cpSync(copyright, target, { dereference: true }));
  }
}
