import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import product from "../../../package.json";
import { imageProgram, writeAppPart } from "./app-part.ts";
import { billOfMaterials } from "./bill-of-materials.ts";
import { type ImageConfig, writeOciArchive } from "./oci-archive.ts";
import { bunInside, imageUser, writeRuntimePart } from "./runtime-part.ts";

export interface BuiltImage {
  readonly name: string;
  readonly digest: string;
  readonly file: string;
  /** All that is in it, also of this machine's system: CycloneDX in JSON. */
  readonly bill: string;
}

/** As the chart calls it where nothing else is said. */
const imageName = `payflow:${product.version}`;

/** What `Dockerfile` says of its image, too. */
export const imageConfig: ImageConfig = {
  architecture: process.arch === "x64" ? "amd64" : process.arch,
  user: `${imageUser}:${imageUser}`,
  environment: [
    "PATH=/usr/local/bin",
    "NODE_ENV=production",
    "TZ=UTC",
    // The root is read-only: there is nowhere to keep what was transpiled.
    "BUN_RUNTIME_TRANSPILER_CACHE_PATH=0",
  ],
  entrypoint: [bunInside, "--no-env-file", "--no-install", imageProgram],
  command: ["payment"],
  labels: {
    "org.opencontainers.image.title": "PayFlow",
    "org.opencontainers.image.description": product.description,
    "org.opencontainers.image.licenses": product.license,
    "org.opencontainers.image.version": product.version,
  },
};

/** Builds the image of this checkout for this machine's processor into an archive, without an engine. */
export async function buildImage(file: string, name = imageName): Promise<BuiltImage> {
  const folder = mkdtempSync(path.join(tmpdir(), "payflow-image-"));
  const layers = ["runtime", "app"].map((part) => path.join(folder, part));
  const [runtime = folder, app = folder] = layers;
  try {
    mkdirSync(runtime);
    const systemPackages = writeRuntimePart(runtime);
    const packages = await writeAppPart(app);
    mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
    const digest = await writeOciArchive(file, { name, layers, config: imageConfig });
    return { name, digest, file, bill: billOfMaterials(packages, systemPackages) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
