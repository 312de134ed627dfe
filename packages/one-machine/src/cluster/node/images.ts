import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ContainerTools } from "./container-tools.ts";
import { pauseImage } from "./node-settings.ts";

/** An image that a node has got, as its pods may call it. */
export interface LoadedImage {
  /** In full, with its tag: `docker.io/library/payflow:0.1.0`. */
  readonly name: string;
  /** `sha256:…`. */
  readonly digest: string;
}

/** Brings the images of an archive (OCI or Docker's) into containerd. Throws what it says where it fails. */
export function loadImages(tools: ContainerTools, socket: string, archive: string): LoadedImage[] {
  const said = containerd(tools, socket, ["import", archive]);
  const images = [...said.matchAll(/^unpacking (\S+) \((sha256:[0-9a-f]{64})\)/gm)].map(
    ([, name = "", digest = ""]) => ({ name, digest }),
  );
  if (images.length === 0) throw new Error(`${archive} holds no image.`);
  for (const { name, digest } of images) {
    // Pods that ask for an image by its digest find it by such a name alone.
    containerd(tools, socket, ["tag", "--force", name, `${name.replace(/:[^/:]*$/, "")}@${digest}`]);
  }
  return images;
}

function containerd(tools: ContainerTools, socket: string, words: readonly string[]): string {
  const done = spawnSync(tools.ctr, ["--address", socket, "--namespace", "k8s.io", "images", ...words], {
    env: { ...tools.environment },
    maxBuffer: 1 << 24,
  });
  if (done.status !== 0) {
    const reason = done.error?.message ?? done.stderr.toString().trim();
    throw new Error(`The image could not be brought into the node: ${reason}`);
  }
  return done.stdout.toString();
}

/** Makes the archive of the image that holds pods together, which is one program. */
export function writePauseImage(program: string, file: string): void {
  const draft = mkdtempSync(`${file}-`);
  const at = (name: string) => path.join(draft, name);
  try {
    const folder = mkdtempSync(at("layer-"));
    cpSync(program, path.join(folder, "pause"));
    pack(folder, at("layer.tar"));
    const layer = createHash("sha256")
      .update(readFileSync(at("layer.tar")))
      .digest("hex");
    const config = {
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Entrypoint: ["/pause"], User: "65535:65535" },
      rootfs: { type: "layers", diff_ids: [`sha256:${layer}`] },
    };
    rmSync(folder, { recursive: true });
    writeFileSync(at("config.json"), JSON.stringify(config));
    const manifest = [{ Config: "config.json", RepoTags: [pauseImage], Layers: ["layer.tar"] }];
    writeFileSync(at("manifest.json"), JSON.stringify(manifest));
    pack(draft, file);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function pack(folder: string, file: string): void {
  const owner = ["--owner=0", "--group=0", "--numeric-owner"];
  const done = spawnSync("tar", ["-cf", file, ...owner, "-C", folder, ...readdirSync(folder)]);
  if (done.status !== 0) throw new Error(`tar failed: ${done.error?.message ?? done.stderr.toString()}`);
}
