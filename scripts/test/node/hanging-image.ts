import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { imageProgram } from "../../release/image/app-part.ts";
import { imageConfig } from "../../release/image/build-image.ts";
import { writeOciArchive } from "../../release/image/oci-archive.ts";
import { writeRuntimePart } from "../../release/image/runtime-part.ts";

const program = `if (process.argv[2] !== "migrate") setInterval(() => {}, 1_000);\n`;

/** Writes the archive of a version whose migrations do nothing and whose apps never answer anybody. */
export async function writeHangingImage(file: string): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "payflow-hanging-"));
  try {
    writeRuntimePart(folder);
    mkdirSync(path.join(folder, path.dirname(imageProgram)), { recursive: true });
    writeFileSync(path.join(folder, imageProgram), program);
    await writeOciArchive(file, { name: "payflow:hanging", layers: [folder], config: imageConfig });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
