import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, readdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import tar from "tar-stream";

export interface ImageConfig {
  readonly architecture: string;
  readonly user: string;
  readonly environment: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface Image {
  /** With its tag: `payflow:0.1.0`. */
  readonly name: string;
  /** The folders whose contents are the layers, the lowest first. */
  readonly layers: readonly string[];
  readonly config: ImageConfig;
}

interface Blob {
  readonly digest: string;
  readonly bytes: Buffer;
}

const epoch = new Date(0);

/**
 * Writes an image as an archive that `docker load`, `podman load` and `ctr images import` take (OCI image
 * layout 1.0, with Docker's manifest beside it), and returns its digest. No container engine is needed.
 * Owners are root and times are 0, so that equal folders give equal bytes.
 */
export async function writeOciArchive(file: string, image: Image): Promise<string> {
  const layers = await Promise.all(image.layers.map(layerOf));
  const config = jsonBlob(configuration(image.config, layers));
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((layer) => descriptor("application/vnd.oci.image.layer.v1.tar", layer)),
  });
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      {
        ...descriptor("application/vnd.oci.image.manifest.v1+json", manifest),
        platform: { architecture: image.config.architecture, os: "linux" },
        annotations: {
          "io.containerd.image.name": fullName(image.name),
          "org.opencontainers.image.ref.name": image.name.replace(/^.*:/, ""),
        },
      },
    ],
  };
  const docker = [
    { Config: blobPath(config), RepoTags: [image.name], Layers: layers.map((layer) => blobPath(layer)) },
  ];
  const pack = tar.pack();
  const unfinished = `${file}.${process.pid}`;
  const written = pipeline(pack, createWriteStream(unfinished));
  addFile(pack, "oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  addFile(pack, "index.json", JSON.stringify(index));
  addFile(pack, "manifest.json", JSON.stringify(docker));
  const blobs = [...layers, config, manifest].sort((left, right) => (left.digest < right.digest ? -1 : 1));
  for (const blob of blobs) addFile(pack, blobPath(blob), blob.bytes);
  pack.finalize();
  await written;
  renameSync(unfinished, file);
  return `sha256:${manifest.digest}`;
}

/** containerd stores names in full: those without a registry are Docker Hub's, without an owner its own. */
function fullName(name: string): string {
  const first = /^([^/]+)\//.exec(name)?.[1];
  if (first === undefined) return `docker.io/library/${name}`;
  return /[.:]|^localhost$/.test(first) ? name : `docker.io/${name}`;
}

function configuration(config: ImageConfig, layers: readonly Blob[]) {
  return {
    created: epoch.toISOString(),
    architecture: config.architecture,
    os: "linux",
    config: {
      User: config.user,
      Env: config.environment,
      Entrypoint: config.entrypoint,
      Cmd: config.command,
      WorkingDir: "/",
      Labels: config.labels,
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
    history: layers.map(() => ({ created: epoch.toISOString(), created_by: "./payflow image" })),
  };
}

/** Folders before what is in them, in the order of their names, which is no matter of language. */
async function layerOf(folder: string): Promise<Blob> {
  const pack = tar.pack();
  const chunks: Buffer[] = [];
  const collected = (async () => {
    // The types call what comes out unknown; a packed tar is bytes.
    for await (const chunk of pack) chunks.push(chunk as Buffer);
  })();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const file = path.join(folder, name);
    const found = statSync(file);
    const header = { name, mtime: epoch, uid: 0, gid: 0 };
    // The machine's umask is no matter of the image's.
    if (found.isDirectory()) {
      pack.entry({ ...header, mode: found.mode & 0o1000 ? 0o1777 : 0o755, type: "directory" });
    } else {
      const mode = found.mode & 0o100 ? 0o755 : 0o644;
      await pipeline(createReadStream(file), pack.entry({ ...header, mode, size: found.size }));
    }
  }
  pack.finalize();
  await collected;
  return blobOf(Buffer.concat(chunks));
}

function addFile(pack: tar.Pack, name: string, content: string | Buffer): void {
  pack.entry({ name, mtime: epoch, mode: 0o644 }, content);
}

const jsonBlob = (value: unknown) => blobOf(Buffer.from(JSON.stringify(value)));
const blobOf = (bytes: Buffer): Blob => ({
  digest: createHash("sha256").update(bytes).digest("hex"),
  bytes,
});
const blobPath = ({ digest }: Blob) => `blobs/sha256/${digest}`;
const descriptor = (mediaType: string, { digest, bytes }: Blob) => ({
  mediaType,
  digest: `sha256:${digest}`,
  size: bytes.length,
});
