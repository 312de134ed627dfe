import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

export interface ReadImage {
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
  /** What a container sees as its root. */
  readonly root: string;
}

/** Unpacks an archive into `folder`, as an engine would, and checks each blob against its digest. */
export function unpackImage(archive: string, folder: string): ReadImage {
  const [packed, root] = [path.join(folder, "packed"), path.join(folder, "root")];
  untar(archive, packed);
  const blob = (digest: string) => {
    const file = path.join(packed, "blobs", digest.replace(":", "/"));
    const hash = createHash("sha256").update(readFileSync(file)).digest("hex");
    if (`sha256:${hash}` !== digest) throw new Error(`${file} is not what its name says.`);
    return file;
  };
  const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));
  const index = json(path.join(packed, "index.json"));
  const manifest = json(blob(index.manifests[0].digest));
  const { config, rootfs } = json(blob(manifest.config.digest));
  for (const { digest } of manifest.layers) untar(blob(digest), root);
  const layers = manifest.layers.map(({ digest }: { digest: string }) => digest);
  if (`${rootfs.diff_ids}` !== `${layers}`) throw new Error("The configuration names other layers.");
  return { config, root };
}

function untar(file: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const result = Bun.spawnSync(["tar", "-xf", file, "-C", folder]);
  if (result.exitCode !== 0) throw new Error(result.stderr.toString());
}

/** Every file below a folder, with the hash of what it holds. */
export function filesBelow(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const files = names.filter((name) => statSync(path.join(folder, name)).isFile());
  return Object.fromEntries(
    files.map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(path.join(folder, name)))
        .digest("hex"),
    ]),
  );
}
