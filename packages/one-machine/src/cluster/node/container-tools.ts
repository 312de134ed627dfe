import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import { toolCache } from "../../programs/tool-cache.ts";

/** What runs containers, and what connects them. */
export interface ContainerTools {
  readonly containerd: string;
  readonly ctr: string;
  readonly runc: string;
  /** Of network plugins: `bridge`, `host-local` and `loopback`. */
  readonly pluginFolder: string;
  /** What a program needs in order to find these, their libraries and iptables. */
  readonly environment: Readonly<Record<string, string>>;
}

const packages = ["containerd", "runc", "containernetworking-plugins", "iptables"];

/**
 * The tools of this machine where it has all of them; else those of Debian or Ubuntu, which apt-get fetches
 * and which are unpacked into the cache, not installed: the package of containerd would start a service, and
 * take the place of another one's. Throws with what to install elsewhere.
 */
export function containerTools(): ContainerTools {
  const found = find([]) ?? find([unpacked()]);
  if (found === null) throw new Error(`apt-get fetched no whole set of ${packages.join(", ")}.`);
  return found;
}

/** Whether `containerTools` would fetch nothing. */
export function hasContainerTools(): boolean {
  return find([]) !== null || existsSync(unpackedFolder());
}

/** Looks below each of the roots and then below `/`. */
function find(roots: readonly string[]): ContainerTools | null {
  const everywhere = [...roots, ""];
  const folders = everywhere.flatMap((root) =>
    ["/usr/local/bin", "/usr/bin", "/usr/sbin", "/sbin"].map((folder) => `${root}${folder}`),
  );
  const locate = (name: string) =>
    folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
  const plugins = everywhere.flatMap((root) => [`${root}/usr/lib/cni`, `${root}/opt/cni/bin`]);
  const pluginFolder = plugins.find((folder) => existsSync(path.join(folder, "host-local")));
  const [containerd, ctr, runc] = ["containerd", "ctr", "runc"].map(locate);
  const hasAll = containerd && ctr && runc && pluginFolder && locate("iptables");
  if (!hasAll) return null;
  const libraries = roots.flatMap(libraryFolders);
  const extensions = libraries.map((folder) => path.join(folder, "xtables")).find((one) => existsSync(one));
  return {
    ...{ containerd, ctr, runc, pluginFolder },
    environment: {
      PATH: folders.join(":"),
      ...(libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(":") }),
      ...(extensions === undefined ? {} : { XTABLES_LIBDIR: extensions }),
    },
  };
}

function libraryFolders(root: string): string[] {
  const folder = `${root}/usr/lib`;
  const names = readdirSync(folder).filter((name) => name.endsWith("-linux-gnu"));
  return names.map((name) => path.join(folder, name));
}

const unpackedFolder = () => path.join(toolCache(), `container-tools-${systemHash()}`);

function unpacked(): string {
  const folder = unpackedFolder();
  if (existsSync(folder)) return folder;
  if (!existsSync("/etc/debian_version") || Bun.which("apt-get") === null) {
    throw new Error(
      `A node needs ${packages.join(", ")}: install them with your system's package manager ` +
        "(the network plugins into /opt/cni/bin).",
    );
  }
  console.log("Fetching containerd, runc, network plugins and iptables with apt-get …");
  mkdirSync(toolCache(), { recursive: true });
  const draft = `${folder}.${process.pid}`;
  try {
    for (const file of fetchPackages(path.join(draft, "archives"))) run(["dpkg", "--extract", file, draft]);
    linkIptables(path.join(draft, "usr/sbin"));
    rmSync(path.join(draft, "archives"), { recursive: true });
    if (!existsSync(folder)) renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

/** Another release of the system has other libraries. */
function systemHash(): string {
  const system = readFileSync("/etc/os-release", "utf8");
  return createHash("sha256").update(`${system}${process.arch}`).digest("hex").slice(0, 12);
}

/** Those packages, and what they need and this machine has not. */
function fetchPackages(folder: string): string[] {
  mkdirSync(path.join(folder, "partial"), { recursive: true });
  const options = ["--download-only", "--yes", "--no-install-recommends", "-qq"];
  const settings = [`Dir::Cache::archives=${folder}`, "APT::Sandbox::User=root"].flatMap((one) => [
    "-o",
    one,
  ]);
  const words = ["apt-get", "install", ...options, ...settings, ...packages];
  try {
    run(words);
  } catch {
    run(["apt-get", "update", "-qq"]);
    run(words);
  }
  const files = readdirSync(folder).filter((name) => name.endsWith(".deb"));
  return files.map((name) => path.join(folder, name));
}

/** An installed package would choose between two programs that both know these names. */
function linkIptables(folder: string): void {
  if (!existsSync(path.join(folder, "xtables-nft-multi"))) return;
  for (const family of ["iptables", "ip6tables"]) {
    for (const name of [family, `${family}-save`, `${family}-restore`]) {
      symlinkSync("xtables-nft-multi", path.join(folder, name));
    }
  }
}

function run([program = "", ...words]: readonly string[]): void {
  const done = spawnSync(program, words, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
  if (done.status !== 0) {
    throw new Error(`${program} failed: ${done.error?.message ?? done.stderr.toString().trim()}`);
  }
}
